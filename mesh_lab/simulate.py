"""Running a scenario from the beginning to the end.

`simulate` gives the record of a run; `check_arguments` and `run_assembly` are the parts of it that
`explain` shares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, overload

import numpy as np
import simpy

from .columns import Columns
from .draws import checked_seed
from .engines import compiled, express, express_graph, express_log
from .engines.assembly import Assembly
from .engines.compiled.driver import NotForCompiled
from .errors import Deadlock, ScenarioError
from .ledger import OK, Ledger, latest
from .messaging.deliveries import DeliveryColumns
from .run import Run
from .scenario import Scenario
from .sources.base import OpenSource
from .sources.closed import Users
from .stations.line import stuck_places
from .tally import TallyLedger, TallyRun

__all__ = ["check_arguments", "run_assembly", "simulate"]

Engine = Literal["auto", "compiled", "simpy", "reference"]
_MANY = 20_000  # requests, which take SimPy some 0.1 s
_ENGINES = ("auto", "compiled", "simpy", "reference")


@overload
def simulate(
    scenario: Scenario,
    *,
    seed: int,
    requests: int | None = None,
    until: float | None = None,
    warmup: float | Literal["auto"] = 0.0,
    keep: Literal["rows"] = "rows",
    engine: Engine = "auto",
    progress: bool = False,
) -> Run: ...
@overload
def simulate(
    scenario: Scenario,
    *,
    seed: int,
    requests: int | None = None,
    until: float | None = None,
    warmup: float | Literal["auto"] = 0.0,
    keep: Literal["summary"],
    engine: Engine = "auto",
    progress: bool = False,
) -> TallyRun: ...


def simulate(
    scenario: Scenario,
    *,
    seed: int,
    requests: int | None = None,
    until: float | None = None,
    warmup: float | Literal["auto"] = 0.0,
    keep: Literal["rows", "summary"] = "rows",
    engine: Engine = "auto",
    progress: bool = False,
) -> Run | TallyRun:
    """Run a scenario and return what happened.

    Parameters
    ----------
    scenario : Scenario
        What to run; it needs at least one source.
    seed : int
        Not negative.  The same scenario and seed give the same run on every machine.
    requests : int, optional
        Stop the sources after so many arrivals over all open sources together (over the users,
        where there are only users); the run ends when nothing is in flight any more.
    until : float, optional
        Stop at this time: events strictly before it happen, and requests that have not ended by
        then are ``in_flight``.  Without `requests` and `until` the sources must end by themselves,
        as a recorded trace does.
    warmup : float or "auto"
        Seconds at the start that `Run.summary` leaves out; "auto" finds them by MSER-5 on the
        latencies of all requests.
    keep : str
        ``"rows"`` of everything (33 bytes a request and more), or only the ``"summary"``, which
        takes the same memory however long the run is; its percentiles are at most 0.4 % off.
    engine : str
        ``"auto"`` takes the quickest way that knows every part and pays for so many requests;
        ``"compiled"`` the one compiled by numba (`mesh_lab.engines.compiled.reasons` says what it
        cannot run); ``"simpy"`` the one on SimPy, with an express lane for the commonest scenarios;
        ``"reference"`` the same without that lane, which does everything.  The rows are the same,
        to the last bit.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Run
        The record of the run; a `TallyRun`, which has `summary` only, with ``keep="summary"``.

    Raises
    ------
    ScenarioError
        When an argument is impossible; the message says what is allowed.
    Deadlock
        When nothing is left that could move the requests in flight, or the time.

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Poisson("shop", rate=40.0, to="orders"),
    ...     ml.Service("orders", service_time=ml.Exponential(mean=0.02)),
    ... )
    >>> ml.simulate(scenario, requests=1000, seed=7)
    Run(1000 requests, 25.2932 s, seed=7)
    """
    check_arguments(scenario, seed, requests, until)
    _check_options(warmup, keep, engine)
    if keep == "summary" and scenario.channels:
        raise ScenarioError(
            "keep='summary' keeps no deliveries, and so nothing of "
            f"{scenario.channels[0].name!r}; leave keep out"
        )
    if keep == "summary" and scenario.called:
        raise ScenarioError(
            "keep='summary' keeps no attempts, and so nothing of the calls of "
            f"{min(scenario.called)!r}; leave keep out"
        )
    seed = int(seed)
    requests = None if requests is None else int(requests)
    if engine == "compiled" or (engine == "auto" and _pays(scenario, requests, until)):
        quick = _compiles(scenario, engine)
    else:
        quick = False
    if quick:
        try:
            return _quickly(scenario, seed, requests, until, warmup, keep, progress)
        except NotForCompiled:
            pass  # the reference comes to the same end, and can say why
    env = simpy.Environment()
    deliveries: DeliveryColumns | None = None
    if keep == "summary":
        return _tallied(env, scenario, seed, requests, until, float(warmup), progress)
    if engine != "reference" and express_log.fits(scenario):
        with _Countdown(requests, progress) as counts:
            arrived = counts.down if progress else None
            found = express_log.run(
                env, scenario, seed, requests=requests, until=until, arrived=arrived
            )
        if found is not None:
            return _run_of(scenario, seed, found[0], until, warmup, found[1])
        env = simpy.Environment()
    lane = None if engine == "reference" else _lane(scenario)
    if lane is not None:
        with _Countdown(requests, progress) as counts:
            arrived = counts.down if progress else None
            ledger: Ledger = lane(
                env, scenario, seed, requests=requests, until=until, arrived=arrived
            )
    else:
        only_open = all(isinstance(source, OpenSource) for source in scenario.sources)
        assembly = Assembly(env, scenario, seed, rows=requests if only_open else None)
        run_assembly(env, assembly, requests=requests, until=until, progress=progress)
        ledger = assembly.ledger
        if assembly.post is not None:
            deliveries = assembly.post.rows.columns()
    return _run_of(scenario, seed, _columns(ledger), until, warmup, deliveries)


def _lane(scenario: Scenario) -> Callable[..., Ledger] | None:
    """Return what runs the scenario on an express lane, if there is one for it."""
    if express.fits(scenario):
        return express.run
    return express_graph.run if express_graph.fits(scenario) else None


def _run_of(
    scenario: Scenario,
    seed: int,
    columns: Columns,
    until: float | None,
    warmup: float | Literal["auto"],
    deliveries: DeliveryColumns | None = None,
) -> Run:
    if until is not None:
        duration = float(until)
    else:
        duration = float(
            max(
                latest(columns.finish),
                0.0 if columns.own_end is None else latest(columns.own_end),
                columns.made[-1] if len(columns.made) else 0.0,
                0.0 if deliveries is None else deliveries.last,
            )
        )
    run = Run(scenario, seed, columns, duration=duration, deliveries=deliveries)
    if warmup == "auto":
        return run.with_warmup(_found_warmup(run))
    return run.with_warmup(float(warmup)) if warmup else run


def _pays(scenario: Scenario, requests: int | None, until: float | None) -> bool:
    """Whether so many requests are expected that loading the compiled engine pays."""
    if requests is None and until is not None:
        rates = (
            source.long_run_rate()
            if isinstance(source, OpenSource)
            else source.users / max(source.think.mean, 1e-3)
            for source in scenario.sources
            if isinstance(source, OpenSource | Users)
        )
        return bool(sum(rate or 0.0 for rate in rates) * until >= _MANY)
    if requests is None:
        lengths = (getattr(source, "length", None) for source in scenario.sources)
        return bool(sum(length() for length in lengths if length is not None) >= _MANY)
    return requests >= _MANY


def _compiles(scenario: Scenario, engine: str) -> bool:
    """Whether the compiled engine can run the scenario; an error if that was asked for."""
    found = compiled.reasons(scenario)
    if found and engine == "compiled":
        raise ScenarioError(
            "the compiled engine cannot run this scenario: "
            + "; ".join(found)
            + ". Take engine='auto' or 'simpy'"
        )
    return not found


def _quickly(
    scenario: Scenario,
    seed: int,
    requests: int | None,
    until: float | None,
    warmup: float | Literal["auto"],
    keep: str,
    progress: bool,
) -> Run | TallyRun:
    with _Countdown(requests, progress) as counts:
        arrived = counts.so_many if progress else None
        if keep == "summary":
            from .engines.compiled.tallying import tallied

            assert warmup != "auto"
            return tallied(scenario, seed, requests, until, float(warmup), arrived)
        if scenario.channels:
            columns, deliveries = compiled.run_events(
                scenario, seed, requests=requests, until=until
            )
            if arrived is not None:
                arrived(len(columns.made))
            return _run_of(scenario, seed, columns, until, warmup, deliveries)
        if scenario.called:
            columns = compiled.run_graph(scenario, seed, requests=requests, until=until)
            if arrived is not None:
                arrived(len(columns.made))
            return _run_of(scenario, seed, columns, until, warmup)
        result = compiled.run(scenario, seed, requests=requests, until=until, arrived=arrived)
    return _run_of(scenario, seed, result.columns, until, warmup)


def _tallied(
    env: simpy.Environment,
    scenario: Scenario,
    seed: int,
    requests: int | None,
    until: float | None,
    warmup: float,
    progress: bool,
) -> TallyRun:
    assembly = _Tallied(env, scenario, seed)
    ledger = assembly.ledger
    assert isinstance(ledger, TallyLedger)
    ledger.watch(scenario, warmup)
    run_assembly(env, assembly, requests=requests, until=until, progress=progress)
    duration = float(until) if until is not None else float(env.now)
    ledger.settle(duration)
    return TallyRun(
        scenario,
        seed,
        ledger.sources,
        ledger.stations,
        duration=duration,
        warmup=ledger.warmup,
        last_arrival=ledger.last_arrival,
        in_flight=ledger.in_flight,
        requests=ledger.total,
    )


class _Tallied(Assembly):
    ledger_kind = TallyLedger


def run_assembly(
    env: simpy.Environment,
    assembly: Assembly,
    *,
    requests: int | None,
    until: float | None,
    progress: bool = False,
) -> None:
    """Start the sources of an assembly and run it to its end.

    Raises
    ------
    Deadlock
        When nothing is left that could move the requests in flight, or the time.
    """
    sources = assembly.scenario.sources
    users_count = not any(isinstance(source, OpenSource) for source in sources)
    with _Countdown(requests, progress) as counts:
        assembly.add_sources(
            counts.down, counts.down if users_count else counts.ignore, endless=until is not None
        )
        for source in assembly.live_sources:
            source.begin()
        finished = assembly.clock.run_until_finished(until)
    ledger = assembly.ledger
    if ledger.in_flight and not (finished or assembly.alive()):
        raise Deadlock(
            f"at {env.now:g} s {ledger.in_flight} requests are in flight and nothing is left that "
            f"could move them; they stand at {stuck_places(assembly.lines)}. Give a queue more "
            "capacity, or another overflow than 'block' somewhere in the loop"
        )


def _columns(ledger: Ledger) -> Columns:
    source, made = ledger.request_columns()
    return Columns(source=source, made=made, **ledger.columns())


def _found_warmup(run: Run) -> float:
    from .statistics import mser5

    spans = run.spans()
    done = spans.outcome == OK
    return float(spans.began[done][mser5((spans.ended - spans.began)[done])])


class _Countdown:
    """Counts arrivals, says which is the last, and moves the progress bar."""

    def __init__(self, requests: int | None, progress: bool) -> None:
        self.left = math.inf if requests is None else requests
        self.bar = None
        if progress:
            from tqdm.auto import tqdm

            self.bar = tqdm(total=requests, unit="request", unit_scale=True)

    def down(self) -> bool:
        """Count one arrival; True if it is the last."""
        self.left -= 1
        if self.bar is not None:
            self.bar.update()
        return self.left <= 0

    def so_many(self, arrivals: int) -> None:
        """Show so many arrivals in all."""
        if self.bar is not None:
            self.bar.update(arrivals - self.bar.n)

    def ignore(self) -> bool:
        """Do not count: these arrivals do not end the run."""
        return False

    def __enter__(self) -> _Countdown:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def check_arguments(
    scenario: Scenario, seed: int, requests: int | None, until: float | None
) -> None:
    """Raise `ScenarioError` for a scenario, a seed or an end of the run that is impossible."""
    if not isinstance(scenario, Scenario):
        from .replicated import Cluster

        cluster = "; run a cluster with ml.replicated.simulate"
        raise ScenarioError(
            f"scenario is {scenario!r}, but must be a Scenario"
            f"{cluster if isinstance(scenario, Cluster) else ''}"
        )
    if not scenario.sources:
        raise ScenarioError("the scenario has no source, so nothing would happen; add one")
    checked_seed(seed)
    if requests is not None and until is not None:
        raise ScenarioError("both requests and until are given; give one of them")
    if requests is not None and (
        isinstance(requests, bool) or not isinstance(requests, int | np.integer) or requests < 1
    ):
        raise ScenarioError(f"requests is {requests!r}, but must be a whole number, 1 or more")
    if until is not None and not (_is_number(until) and 0.0 < until < math.inf):
        raise ScenarioError(f"until is {until!r}, but must be a time in seconds, more than 0")
    endless = [s.name for s in scenario.sources if getattr(s, "length", None) is None]
    if requests is None and until is None and endless:
        raise ScenarioError(f"give requests= or until=: source {endless[0]!r} would go on for ever")


def _check_options(warmup: float | str, keep: str, engine: str) -> None:
    if warmup != "auto" and not (_is_number(warmup) and 0.0 <= float(warmup) < math.inf):
        raise ScenarioError(
            f"warmup is {warmup!r}, but must be a time in seconds, 0 or more, or 'auto'"
        )
    if keep not in ("rows", "summary"):
        raise ScenarioError(f"keep is {keep!r}; there are: 'rows', 'summary'")
    if keep == "summary" and warmup == "auto":
        raise ScenarioError("warmup='auto' needs the rows of the run; give seconds, or keep='rows'")
    if engine not in _ENGINES:
        raise ScenarioError(f"engine is {engine!r}; there are: {', '.join(map(repr, _ENGINES))}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
