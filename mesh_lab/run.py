"""What happened in a run: one row a request, one row a visit, and how many were where.

A run keeps columns and makes a `pandas.DataFrame` when asked.  A *request* is what a source made;
a *visit* (a row of `Run.calls`) is one request at one queue or service.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .errors import ScenarioError, TraceError
from .ledger import OUTCOMES, REJECTED, UNAVAILABLE
from .scenario import Scenario
from .stations.service import Service

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Columns", "Run", "load_run"]

Floats = NDArray[np.float64]
_IN_FLIGHT, _OK = 0, 1


@dataclass(frozen=True)
class Columns:
    """The columns of a run, before anybody asks for a table.

    Each is an array with one entry a request (`source`, `made`) or one a visit (the others);
    visits are in the order in which they were offered.

    Where no request can make a second visit or be blocked, a visit is its request: then
    `own_request`, `own_sent` and `own_arrival` are None, and `request`, `sent` and `arrival` are
    worked out when asked for.

    Attributes
    ----------
    source, made
        Of a request: the index of its source, and when the source made it (seconds).
    station, endpoint, start, finish, outcome
        Of a visit: indices of the queue or service and of the replica, seconds, and the index in
        `mesh_lab.ledger.OUTCOMES`.
    worked
        The end of the work of asynchronous handlers, where there are any.
    """

    source: NDArray[np.int16]
    made: Floats
    station: NDArray[np.int16]
    endpoint: NDArray[np.int32]
    start: Floats
    finish: Floats
    outcome: NDArray[np.int8]
    own_request: NDArray[np.int64] | None = None
    own_sent: Floats | None = None
    own_arrival: Floats | None = None
    worked: Floats | None = None

    @property
    def request(self) -> NDArray[np.int64]:
        """The request of each visit, as its row."""
        return np.arange(len(self.made)) if self.own_request is None else self.own_request

    @property
    def sent(self) -> Floats:
        """When each visit was offered to its station."""
        return self.made if self.own_sent is None else self.own_sent

    @property
    def arrival(self) -> Floats:
        """When each visit was let in; NaN if it was turned away."""
        if self.own_arrival is not None:
            return self.own_arrival
        refused = (self.outcome == REJECTED) | (self.outcome == UNAVAILABLE)
        return np.where(refused, np.nan, self.made)

    @property
    def nbytes(self) -> int:
        """The bytes that the columns take."""
        arrays = (getattr(self, name) for name in self.__dataclass_fields__)
        return sum(array.nbytes for array in arrays if array is not None)


class Run:
    """The record of one run of a scenario.

    Attributes
    ----------
    scenario : Scenario
        What was run.
    seed : int
        The seed it was run with.
    duration : float
        Seconds from the start to the last event that changed a row (or to `until`).
    warmup : float
        Seconds at the start that `summary` leaves out.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        columns: Columns,
        *,
        duration: float,
        warmup: float = 0.0,
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.columns = columns
        self.duration = duration
        self.warmup = warmup

    def __repr__(self) -> str:
        n, flying = len(self.columns.made), self.in_flight
        left = f", {flying} in flight" if flying else ""
        return f"Run({n} requests, {self.duration:.6g} s, seed={self.seed}{left})"

    # -- tables ----------------------------------------------------------------------------------

    @cached_property
    def requests(self) -> pd.DataFrame:
        """One row a request, in order of arrival.

        Columns: `source`; `arrival`, `start` (of its first service) and `finish`, in seconds from
        the start of the run; `latency` = finish - arrival; `endpoint`, the index of the replica of
        its first visit; `outcome`, ``"ok"`` or why not.  A time that never came is NaN.
        """
        import pandas as pd

        c = self.columns
        first, last = self._ends
        return pd.DataFrame(
            {
                "source": self._named(c.source, [s.name for s in self.scenario.sources]),
                "arrival": c.made,
                "start": c.start[first],
                "finish": c.finish[last],
                "latency": c.finish[last] - c.made,
                "endpoint": c.endpoint[first],
                "outcome": self._named(c.outcome[last], OUTCOMES),
            }
        )

    @cached_property
    def calls(self) -> pd.DataFrame:
        """One row a visit to a queue or service, in the order in which they were offered.

        Columns: `request`, its row in `requests`; `parent`, the visit that called it (-1: none);
        `service`, the queue or service; `endpoint`; `attempt` (0, the first); `sent`, when it was
        offered; `arrival`, when it was let in (later than `sent` when its producer was blocked);
        `start` of its service; `finish`; `outcome`.
        """
        import pandas as pd

        c = self.columns
        n = len(c.sent)
        return pd.DataFrame(
            {
                "request": c.request,
                "parent": np.full(n, -1),
                "service": self._named(c.station, [s.name for s in self.scenario.stations]),
                "endpoint": c.endpoint,
                "attempt": np.zeros(n, dtype=np.int64),
                "sent": c.sent,
                "arrival": c.arrival,
                "start": c.start,
                "finish": c.finish,
                "outcome": self._named(c.outcome, OUTCOMES),
            }
        )

    def latencies(self, name: str | None = None) -> Floats:
        """Return the seconds that finished requests took, in order of arrival.

        Parameters
        ----------
        name : str, optional
            A source: its requests, from arrival to finish.  A queue or service: visits, from when
            they were sent.  None: all requests.  Only those that arrived after the warm-up and
            ended ``ok`` count.
        """
        began, ended, outcome = self._spans(name)
        return np.asarray((ended - began)[(outcome == _OK) & (began >= self.warmup)])

    def timeline(self, name: str) -> pd.DataFrame:
        """Return how many requests waited, and how many workers were busy, over time.

        Returns
        -------
        DataFrame
            `time`, `waiting`, `busy`: the numbers hold from `time` until the next row.  Times
            are unique and increase; the first is 0.  A worker that is blocked counts as busy.

        Examples
        --------
        >>> import mesh_lab as ml
        >>> scenario = ml.Scenario(
        ...     ml.Renewal("tick", gap=ml.Deterministic(value=1.0), to="work"),
        ...     ml.Service("work", service_time=ml.Deterministic(value=1.5)),
        ... )
        >>> ml.simulate(scenario, requests=2, seed=1).timeline("work")
           time  waiting  busy
        0   0.0        0     0
        1   1.0        0     1
        2   2.0        1     1
        3   2.5        0     1
        4   4.0        0     0
        """
        import pandas as pd

        time, waiting, busy = self.steps(name)
        return pd.DataFrame({"time": time, "waiting": waiting, "busy": busy})

    def steps(
        self, name: str, endpoint: int | None = None
    ) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
        """Return (time, waiting, busy) as arrays, of one endpoint or of all together."""
        part = self.scenario[name]
        crews = self.scenario.serving(name)
        workers = sum(crew.workers for crew in crews)
        replicas = part.replicas if isinstance(part, Service) else 1
        if endpoint is None and replicas > 1:
            return _added([self.steps(name, k) for k in range(replicas)])
        c = self.columns
        here = c.station == self._station(name)
        if endpoint is not None:
            here = here & (c.endpoint == endpoint)
        here = here & ~np.isnan(c.arrival)
        into, begun, out = c.arrival[here], c.start[here], c.finish[here]
        freed = out
        if c.worked is not None:
            ended = c.worked[here]
            freed = np.where(np.isnan(ended), out, ended)
        discipline = getattr(part, "discipline", "fifo")
        if discipline in {"ps", "preemptive"}:
            # whoever is there is served as far as there are workers: waiting is what is left over
            time, there = _counted((into, 1), (out, -1))
            busy = np.minimum(there, workers)
            return time, there - busy, busy
        left_waiting = np.where(np.isnan(begun), out, begun)
        time, waiting, busy = _counted2(
            ((into, 1, 0), (left_waiting, -1, 0), (begun, 0, 1), (freed[~np.isnan(begun)], 0, -1))
        )
        return time, waiting, busy

    # -- numbers ---------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """How many requests had not ended when the run did."""
        _, last = self._ends
        return int(np.count_nonzero(self.columns.outcome[last] == _IN_FLIGHT))

    @property
    def last_arrival(self) -> float:
        """When the last request arrived, seconds."""
        made = self.columns.made
        return float(made.max()) if len(made) else 0.0

    def summary(self) -> pd.DataFrame:
        """Return one row a source, queue and service; see `mesh_lab.summary.summarise`."""
        from .summary import summarise

        return summarise(self)

    def check_invariants(self) -> None:
        """Raise `InvariantError` if the run breaks a law that every run obeys.

        See `mesh_lab.invariants` for the laws.
        """
        from .invariants import check

        check(self)

    def save(self, path: str | Path) -> None:
        """Write the run to a Parquet file, with its scenario; `load_run` reads it.

        Raises
        ------
        ScenarioFileError
            When the scenario holds a user's function, which a file cannot keep.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from . import files

        c = self.columns
        columns: dict[str, Any] = {
            "request": c.request,
            "source": c.source[c.request],
            "made": c.made[c.request],
        }
        names = ["station", "endpoint", "sent", "arrival", "start", "finish", "outcome"]
        columns.update({name: getattr(c, name) for name in names})
        if c.worked is not None:
            columns["worked"] = c.worked
        about = {
            "scenario": self.scenario.to_yaml(),
            "seed": self.seed,
            "duration": self.duration,
            "warmup": self.warmup,
            "requests": len(c.made),
        }
        table = pa.table(columns).replace_schema_metadata({"mesh_lab": json.dumps(about)})
        with files.replacing(path) as temporary:
            pq.write_table(table, temporary)

    # -- inside ----------------------------------------------------------------------------------

    @cached_property
    def _ends(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The first and the last visit of each request."""
        request, n = self.columns.request, len(self.columns.made)
        order = np.arange(len(request))
        first, last = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        last[request] = order  # of equal indices, NumPy keeps the last assignment
        first[request[::-1]] = order[::-1]
        return first, last

    def _station(self, name: str) -> int:
        names = [station.name for station in self.scenario.stations]
        if name not in names:
            self.scenario[name]  # says so, if there is no such part at all
            raise ScenarioError(
                f"{name!r} is not a queue or service; there are: {', '.join(map(repr, names))}"
            )
        return names.index(name)

    def _spans(self, name: str | None) -> tuple[Floats, Floats, NDArray[np.int8]]:
        """(beginning, end, outcome) of the requests of a source, or of the visits to a station."""
        c = self.columns
        sources = [source.name for source in self.scenario.sources]
        if name is not None and name not in sources:
            here = c.station == self._station(name)
            return c.sent[here], c.finish[here], c.outcome[here]
        _, last = self._ends
        mine = slice(None) if name is None else c.source == sources.index(name)
        return c.made[mine], c.finish[last][mine], c.outcome[last][mine]

    def waits(self, name: str | None = None) -> Floats:
        """Return the seconds until service first started (NaN: never), in order of arrival."""
        c = self.columns
        sources = [source.name for source in self.scenario.sources]
        if name is not None and name not in sources:
            here = c.station == self._station(name)
            return np.asarray(c.start[here] - c.sent[here])
        first, _ = self._ends
        mine = slice(None) if name is None else c.source == sources.index(name)
        return np.asarray((c.start[first] - c.made)[mine])

    def _named(self, codes: NDArray[Any], names: Any) -> pd.Categorical:
        import pandas as pd

        return pd.Categorical.from_codes(codes, categories=pd.Index(list(names)))

    def with_warmup(self, warmup: float) -> Run:
        """Return the same run with another warm-up, seconds."""
        return Run(
            self.scenario,
            self.seed,
            self.columns,
            duration=self.duration,
            warmup=warmup,
        )


def load_run(path: str | Path) -> Run:
    """Return the run that `Run.save` wrote to `path`.

    Raises
    ------
    TraceError
        When the file is missing, or is not a saved run.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise TraceError(f"{path}: cannot be read as a saved run ({error})") from None
    about = (table.schema.metadata or {}).get(b"mesh_lab")
    if about is None:
        raise TraceError(f"{path}: is a Parquet file, but was not written by Run.save")
    known = json.loads(about)
    column = {name: table[name].to_numpy() for name in table.column_names}
    request = column["own_request"] = column.pop("request")
    column["own_sent"], column["own_arrival"] = column.pop("sent"), column.pop("arrival")
    source = np.zeros(known["requests"], dtype=np.int16)
    made = np.zeros(known["requests"])
    source[request], made[request] = column.pop("source"), column.pop("made")
    return Run(
        Scenario.from_yaml(known["scenario"]),
        known["seed"],
        Columns(source=source, made=made, **column),
        duration=known["duration"],
        warmup=known["warmup"],
    )


def _counted(*changes: tuple[Floats, int]) -> tuple[Floats, NDArray[np.int64]]:
    """Add up changes that happen at given times (NaN: never); times come out unique."""
    time, one, _ = _counted2(tuple((times, by, 0) for times, by in changes))
    return time, one


def _counted2(
    changes: tuple[tuple[Floats, int, int], ...],
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    times = np.concatenate([[0.0], *(t for t, _, _ in changes)])
    first = np.concatenate([[0], *(np.full(len(t), a) for t, a, _ in changes)])
    second = np.concatenate([[0], *(np.full(len(t), b) for t, _, b in changes)])
    came = ~np.isnan(times)
    times, first, second = times[came], first[came], second[came]
    order = np.argsort(times, kind="stable")
    times = times[order]
    last = np.append(times[1:] != times[:-1], True)  # what holds after all of one instant
    return times[last], np.cumsum(first[order])[last], np.cumsum(second[order])[last]


def _added(
    steps: list[tuple[Floats, NDArray[np.int64], NDArray[np.int64]]],
) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Add up step functions of several endpoints."""
    changes = []
    for time, waiting, busy in steps:
        changes.append((time, np.diff(waiting, prepend=0), np.diff(busy, prepend=0)))
    times = np.concatenate([time for time, _, _ in changes])
    order = np.argsort(times, kind="stable")
    times = times[order]
    last = np.append(times[1:] != times[:-1], True)
    waiting = np.cumsum(np.concatenate([w for _, w, _ in changes])[order])[last]
    busy = np.cumsum(np.concatenate([b for _, _, b in changes])[order])[last]
    return times[last], waiting, busy
