"""The model of a recorded Envoy: what was recorded in data/resilience/, as a mesh_lab scenario.

A run is replayed with everything that was not Envoy's to decide: when each request came, what a
back end answers to it (cases.csv, faults.csv), and how long it took for that in fact.  What chance
decided in Envoy is replayed too where that is asked for: whom the balancer picked, and how long it
paused before a retry.  The rest is the model's: who is given up when, tried again, refused, or
ejected.

The way through Envoy costs 1 ms, half of it there and half back: the median in the README beside
the data.  A request comes to Envoy that long before its first attempt is at a back end, and where
requests wait for connections, that long after it was sent.  Sweeps of outlier detection begin with
Envoy's, and go by its clock (`sweep_s`, `sweep_every_s`).  Both of its workers are one proxy here.
"""

from __future__ import annotations

import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import mesh_lab as ml
from mesh_lab.draws import Draws
from mesh_lab.ledger import Request
from mesh_lab.mesh.guards import Guards
from mesh_lab.stations.handler import Failing
from mesh_lab.stations.sight import Sight
from tests import recorded_resilience as recorded
from tests.envoy_parts import backoff_of, guards_of, limits_of, policy_of, retries_of
from tests.recorded_resilience import Attempt

__all__ = ["Played", "model", "play", "replayed"]

WAY = 0.0005  # seconds there, and as many back
LONG = 1e6  # seconds: a pause that the call's time ends


class Played(NamedTuple):
    """What became of the requests of a run in the model; times in ms from its start, as recorded.

    Attributes
    ----------
    status : list of int
        200, 503 or 504, by request.
    overflowed : list of bool
        Whether a request was refused before it reached a back end.
    ended : list of float
        When.
    tries : dict of int to list of Attempt
        The attempts of each request that reached a back end, in order.
    marks : list of (float, int, bool)
        When which host went out (True) or came back.
    astray : list of (float, int)
        When a recorded pick was none that the model's proxy may pick, and which.
    """

    status: list[int]
    overflowed: list[bool]
    ended: list[float]
    tries: dict[int, list[Attempt]]
    marks: list[tuple[float, int, bool]]
    astray: list[tuple[float, int]]


class Setting:
    """A recorded run as the model needs it.

    Attributes
    ----------
    sent : list of float
        When each request comes to Envoy, ms.
    took : dict
        How long an answer took in fact, seconds.
    order : list of int
        Which recorded request is number 0, 1, ... of the source: they come in order of sending.
    zero : float
        Seconds that the model's clock is ahead of the recorded one.
    """

    def __init__(self, run: str) -> None:
        self.run = run
        row = recorded.runs()[run]
        self.sent = [time + 1000 * WAY for time in recorded.sent(run)]
        self.took: dict[tuple[int, int, int, float, int], float] = {}
        waits = "max_connections" in limits_of(recorded.cluster(run))
        for one in [] if waits else recorded.attempts(run):
            if one.attempt == 1:
                self.sent[one.request] = max(one.arrived - 1000 * WAY, 0.0)
            if not one.left:
                which = (one.request, one.attempt, one.back_end, one.planned, one.status)
                self.took[which] = (one.ended - one.arrived) / 1000
        self.order = sorted(range(len(self.sent)), key=lambda i: self.sent[i])
        self.every = float(row["sweep_every_s"] or 1.0)
        self.zero = self.every - float(row["sweep_s"]) if row["sweep_s"] else 0.0
        self.policy = policy_of(run)
        self.astray: list[tuple[float, int]] = []

    def back_end(self) -> Callable[[Request, Any], float]:
        """What the back ends answer, and after how long: a fresh function for each run."""
        scenario = recorded.runs()[self.run]["scenario"]
        planned = next(r for r in recorded.table("scenarios.csv") if r["scenario"] == scenario)
        usual = float(planned["usual_ms"]), int(planned["usual_status"])
        cases: dict[str, list[tuple[float, int]]] = defaultdict(list)
        for row in recorded.table("cases.csv"):
            if row["scenario"] == scenario:
                cases[row["case"]].append((float(row["delay_ms"]), int(row["status"])))
        faults = [row for row in recorded.table("faults.csv") if row["scenario"] == scenario]
        seen: Counter[int] = Counter()
        slots = recorded.schedule(self.run)

        def work(request: Request, rng: Any) -> float:
            now = request.sent + WAY - self.zero
            case = slots[self.order[request.number]][1]
            answer = cases[case][min(request.attempt, len(cases[case]) - 1)] if case else usual
            for i, row in enumerate(faults):
                if int(row["back_end"]) == request.endpoint and (
                    float(row["since_s"]) <= now < float(row["until_s"])
                ):
                    if seen[i] % int(row["out_of"]) < int(row["failing"]):
                        answer = float(row["delay_ms"]), int(row["status"])
                    seen[i] += 1
            which = self.order[request.number], request.attempt + 1, request.endpoint
            seconds, status = self.took.get((*which, *answer), answer[0] / 1000), answer[1]
            return Failing(seconds) if status >= 500 else seconds

        return work

    def picks(self) -> Callable[[Sight, Request], int]:
        """A balancer that picks whom Envoy has picked; round robin where it picked nobody."""
        known = {(one.request, one.attempt): one.back_end for one in recorded.attempts(self.run)}
        for number, row in enumerate(recorded.requests(self.run)):
            if row["back_end"]:
                known.setdefault((number, int(row["attempts"])), int(row["back_end"]))
        turn = iter(range(10**9))

        def pick(sight: Sight, request: Request) -> int:
            which = known.get((self.order[request.number], request.attempt + 1))
            if which in sight.endpoints:
                return which
            if which is not None:
                self.astray.append((1000 * (sight.now - self.zero), which))
            return sight.endpoints[next(turn) % len(sight.endpoints)]

        return pick


class RecordedPauses:
    """The pauses before retries that Envoy made; the draw for each says whose it is."""

    def __init__(self, setting: Setting, seed: int, otherwise: Any) -> None:
        self.otherwise = otherwise
        self.pauses: dict[tuple[int, int], float] = {}
        tries = recorded.tries(setting.run)
        for number, reached in tries.items():
            for one in reached:
                after = next((a for a in reached if a.attempt == one.attempt + 1), None)
                if after is not None:
                    ways = 0.0 if one.left else 2 * WAY
                    seconds = (after.arrived - one.ended) / 1000 - ways
                    self.pauses[number, one.attempt] = max(seconds, 0.0)
            if recorded.requests(setting.run)[number]["details"] == "response_timeout":
                self.pauses[number, reached[-1].attempt] = LONG  # the end came first
        times = retries_of(setting.run) + 1  # a wrong model may ask for one more
        self.whose: dict[float, tuple[int, int]] = {}
        for visit in range(times):
            column = Draws(seed).column("uniform", "callee", "pause", "callers", visit)
            for number, request in enumerate(setting.order):
                self.whose[column.at(number)] = request, visit + 1
        assert len(self.whose) == times * len(setting.order), "draws are all different"

    def pause(self, retry: int, uniform: float, last: float) -> float:
        request, attempt = self.whose[uniform]
        assert attempt == retry
        pause: float = self.otherwise.pause(retry, uniform, last)
        return self.pauses.get((request, attempt), pause)


def model(
    setting: Setting, path: Path, *, seed: int, picks: bool, pauses: bool, **changes: Any
) -> ml.Scenario:
    """Return the scenario of a run; the times at which its requests are sent go to `path`."""
    times = [setting.sent[i] / 1000 + setting.zero for i in setting.order]
    path.write_text("time\n" + "\n".join(map(repr, times)) + "\n")
    cluster = recorded.cluster(setting.run)
    hosts = len(cluster["load_assignment"]["endpoints"][0]["lb_endpoints"])
    fields: dict[str, Any] = dict(setting.policy)
    if fields["retries"] is not None:
        backoff: Any = backoff_of(setting.run)
        if pauses:
            backoff = RecordedPauses(setting, seed, backoff)
        again = fields["retries"]
        fields["retries"] = ml.Retries(again.times, on=again.on, backoff=backoff)
    rules = {"ROUND_ROBIN": ml.RoundRobin(), "LEAST_REQUEST": ml.LeastRequest(choices=2)}
    service: dict[str, Any] = {
        "replicas": hosts,
        "workers": 100_000,
        "service_time": setting.back_end(),
        "forward_delay": WAY,
        "return_delay": WAY,
        "balancer": setting.picks() if picks else rules[cluster["lb_policy"]],
        "policy": ml.Policy(**fields),
        "cancelled": "stop",
    }
    service |= guards_of(cluster, setting.every)
    return ml.Scenario(
        ml.Replay("callers", path, to="callee", time="time"),
        ml.Service("callee", **(service | changes)),
    )


@contextmanager
def watched() -> Iterator[list[tuple[float, frozenset[int]]]]:
    """Note when which endpoints are barred; nothing is changed by that."""
    log: list[tuple[float, frozenset[int]]] = [(0.0, frozenset())]
    asked = Guards.barred

    def barred(self: Guards, now: float) -> frozenset[int]:
        found = asked(self, now)
        if found != log[-1][1]:
            log.append((now, found))
        return found

    Guards.barred = barred  # type: ignore[method-assign]
    try:
        yield log
    finally:
        Guards.barred = asked  # type: ignore[method-assign]


STATUS = {"ok": 200, "timeout": 504}  # all else is a 503


def play(
    run: str, *, seed: int = 1, picks: bool = True, pauses: bool = True, **changes: Any
) -> Played:
    """Play a recorded run in the model.

    Parameters
    ----------
    run : str
        Its name in runs.csv.
    picks, pauses : bool
        Whether Envoy's picks and pauses are replayed, or drawn by the model.
    changes
        Fields of the service that are to be otherwise.
    """
    setting = Setting(run)
    with tempfile.TemporaryDirectory() as folder, watched() as log:
        scenario = model(
            setting, Path(folder, "sent.csv"), seed=seed, picks=picks, pauses=pauses, **changes
        )
        done = ml.simulate(scenario, requests=len(setting.order), seed=seed, engine="simpy")
    requests, calls = done.requests, done.calls
    n = len(setting.order)
    status, ended = [0] * n, [0.0] * n
    for number, (outcome, finish) in enumerate(
        zip(requests["outcome"], requests["finish"], strict=True)
    ):
        status[setting.order[number]] = STATUS.get(outcome, 503)
        ended[setting.order[number]] = 1000 * (finish - setting.zero)
    overflowed = [False] * n
    tries: dict[int, list[Attempt]] = defaultdict(list)
    row: Any  # a tuple with the names of the columns
    for row in calls.itertuples():
        request = setting.order[row.request]
        overflowed[request] |= row.result == "overflow"
        if math.isnan(row.arrival):
            continue
        left = row.result in ("timeout", "cancelled")
        when = row.returned + WAY if left else row.finish  # when the back end knew
        tries[request].append(
            Attempt(
                request,
                row.attempt + 1,
                row.endpoint,
                1000 * (row.arrival - setting.zero),
                1000 * (when - setting.zero),
                0.0,
                503 if row.outcome == "failed" else 200,
                left,
            )
        )
    marks: list[tuple[float, int, bool]] = []
    for (_, before), (now, after) in pairwise(log):
        time = 1000 * (now - setting.zero)
        marks += [(time, host, False) for host in sorted(before - after)]
        marks += [(time, host, True) for host in sorted(after - before)]
    return Played(status, overflowed, ended, dict(tries), marks, setting.astray)


@cache
def replayed(run: str) -> Played:
    """Return a run with Envoy's picks and pauses; played once, as nothing is drawn then."""
    return play(run)
