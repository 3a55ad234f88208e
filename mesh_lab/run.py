"""What happened in a run: one row a request, one row a visit, and how many were where.

A run keeps columns and makes a `pandas.DataFrame` when asked.  A *request* is what a source made;
a *visit* (a row of `Run.calls`) is one request at one queue or service.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import Columns
from .errors import ScenarioError
from .ledger import IN_FLIGHT, OK, OUTCOMES
from .messaging.deliveries import DeliveryColumns
from .messaging.log.log import Log
from .messaging.queue import MessageQueue
from .messaging.topic import Topic
from .scenario import Scenario
from .stations.service import Service
from .timeline import Steps, added, events_over_time, over_time

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Run", "Spans"]

Floats = NDArray[np.float64]


class Spans(NamedTuple):
    """From when to when some requests or visits were there, in order of arrival.

    Attributes
    ----------
    began, started, ended : numpy.ndarray, shape (n,), float64
        Seconds: when they were made or sent, first served, gone; NaN for what never came.
    outcome : numpy.ndarray, shape (n,), int8
        The index in `mesh_lab.ledger.OUTCOMES`.
    """

    began: Floats
    started: Floats
    ended: Floats
    outcome: NDArray[np.int8]


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

    Examples
    --------
    >>> import mesh_lab as ml
    >>> scenario = ml.Scenario(
    ...     ml.Renewal("tick", gap=ml.Deterministic(value=1.0), to="work"),
    ...     ml.Service("work", service_time=ml.Deterministic(value=1.5)),
    ... )
    >>> run = ml.simulate(scenario, requests=2, seed=1)
    >>> run.requests
      source  arrival  start  finish  latency  endpoint outcome
    0   tick      1.0    1.0     2.5      1.5         0      ok
    1   tick      2.0    2.5     4.0      2.0         0      ok
    >>> run.waits("work").tolist()
    [0.0, 0.5]
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        columns: Columns,
        *,
        duration: float,
        warmup: float = 0.0,
        deliveries: DeliveryColumns | None = None,
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.columns = columns
        self.duration = duration
        self.warmup = warmup
        self.delivery_columns = deliveries

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
        its first visit; `outcome`, ``"ok"`` or why not.  A time that never came is NaN; what was
        turned away has a latency too, often 0, which is why `summary` takes those that are ``ok``.
        """
        import pandas as pd

        c = self.columns
        first, _ = self._ends
        table = pd.DataFrame(
            {
                "source": self._named(c.source, [s.name for s in self.scenario.sources]),
                "arrival": c.made,
                "start": c.start[first],
                "finish": self._ended,
                "latency": self._ended - c.made,
                "endpoint": c.endpoint[first],
                "outcome": self._named(self._outcomes, OUTCOMES),
            }
        )
        if c.key is not None:
            table.insert(1, "key", c.key)
        return table

    @cached_property
    def calls(self) -> pd.DataFrame:
        """One row a visit to a queue or service, in the order in which they were offered.

        Columns: `request`, its row in `requests`; `parent`, the visit that called it (-1: none);
        `service`, the queue or service; `endpoint`; `attempt` (0, the first); `sent`, when it was
        offered; `arrival`, when it was let in (later than `sent` when its producer was blocked);
        `start` of its service; `finish`; `outcome`.  Where services are called, a row is an
        attempt, and those are the callee's side of it; the caller's side is `returned`, when it
        knew, and `result`, what it saw: ``"timeout"`` or ``"cancelled"`` where it has left.
        """
        import pandas as pd

        c = self.columns
        n = len(c.sent)
        table = pd.DataFrame(
            {
                "request": c.request,
                "parent": np.full(n, -1) if c.parent is None else c.parent,
                "service": self._named(c.station, self.scenario.places),
                "endpoint": c.endpoint,
                "attempt": np.zeros(n, dtype=np.int64) if c.attempt is None else c.attempt,
                "sent": c.sent,
                "arrival": c.arrival,
                "start": c.start,
                "finish": c.finish,
                "outcome": self._named(c.outcome, OUTCOMES),
            }
        )
        if c.result is not None:
            table["returned"] = c.returned
            table["result"] = self._named(c.result, OUTCOMES)
        return table

    @cached_property
    def traces(self) -> pd.DataFrame:
        """One row an attempt, as tracing would show it, where services are called.

        Columns: `trace`, the row of its request; `span`, its own row in `calls`; `parent`, the span
        that it was made for (-1: the request itself); `caller`, `service`, `endpoint`, `attempt`;
        `start` and `end`, the caller's side; `served_from` and `served_until`, the callee's;
        `outcome`, what the caller saw.

        Raises
        ------
        ScenarioError
            When no service is called.
        """
        from .traces import spans

        return spans(self)

    def export_traces(self, path: str | Path, requests: Iterable[int] | None = None) -> None:
        """Write traces to a JSON file, in OpenTelemetry's format (OTLP).

        Parameters
        ----------
        requests : iterable of int, optional
            Rows of `requests`; all by default.

        Raises
        ------
        ScenarioError
            When no service is called, or there is no such request.
        """
        from .traces import write_otlp

        write_otlp(self, path, requests)

    def canary(self, name: str) -> pd.DataFrame:
        """Return the checks of the canary of route `name`, one row each.

        Columns: `time`; `requests`, how many had ended at the canary since the last check, their
        `success_rate` (per cent) and `duration` (99th percentile, seconds); whether it `passed`;
        the `weight` (per cent) and the `phase` that followed.  See `mesh_lab.mesh.canary`.

        Raises
        ------
        ScenarioError
            When there is no route of that name, or it has no canary.
        """
        from .mesh.canary import history, table

        route = next((r for r in self.scenario.routes if r.name == name), None)
        if route is None or route.canary is None:
            raise ScenarioError(f"{name!r} is not a route with a canary=")
        c = self.columns
        here = c.station == self.scenario.station_number(route.canary.service)
        here = here & ~np.isnan(c.finish) & (c.endpoint >= 0)
        entered = np.where(np.isnan(c.arrival), c.finish, c.arrival)
        order = np.argsort(c.finish[here], kind="stable")
        ended, outcomes = c.finish[here][order], c.outcome[here][order]
        seconds = (c.finish - entered)[here][order]
        return table(history(route.canary, ended, outcomes, seconds, self.duration))

    def latencies(self, name: str | None = None) -> Floats:
        """Return the seconds that finished requests took, in order of arrival.

        Parameters
        ----------
        name : str, optional
            A source: its requests, from arrival to finish.  A queue or service: visits, from when
            they were sent.  A consumer or a group: events, from when they were published until it
            had handled them.  None: all requests.  Only those that arrived after the warm-up and
            ended ``ok`` count.
        """
        spans = self.spans(name)
        counts = (spans.outcome == OK) & (spans.began >= self.warmup)
        return np.asarray((spans.ended - spans.began)[counts])

    def waits(self, name: str | None = None) -> Floats:
        """Return the seconds until service first started (NaN: never), in order of arrival.

        Of all that arrived, also during the warm-up; `name` as for `latencies`.
        """
        spans = self.spans(name)
        return spans.started - spans.began

    def spans(self, name: str | None = None) -> Spans:
        """Return the times of the requests of a source, the visits to a station, or all requests.

        Of a consumer or a consumer group: the events that it has handled, from when they were
        published, in that order; see `mesh_lab.messaging.handled`.

        Raises
        ------
        ScenarioError
            When there is no source, queue, service, consumer or group of that name.
        """
        c = self.columns
        sources = [source.name for source in self.scenario.sources]
        subscriber = next((s for s in self.scenario.consumers if s.name == name), None)
        if subscriber is not None:
            from .messaging.handled import handled

            done = handled(self._delivered(), subscriber)
            return Spans(*done, np.full(len(done.published), OK, dtype=np.int8))
        if name is not None and name not in sources:
            here = c.station == self.scenario.station_number(name)
            return Spans(c.sent[here], c.start[here], c.finish[here], c.outcome[here])
        first, _ = self._ends
        mine = slice(None) if name is None else c.source == sources.index(name)
        return Spans(c.made[mine], c.start[first][mine], self._ended[mine], self._outcomes[mine])

    def timeline(self, name: str) -> pd.DataFrame:
        """Return how many requests waited, and how many workers were busy, over time.

        Returns
        -------
        DataFrame
            `time`, `waiting`, `busy`: the numbers hold from `time` until the next row.  Times
            are unique and increase; the first is 0.  A worker that is blocked counts as busy.
            Of a message queue: its events, and the workers of all its consumers.

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

    def steps(self, name: str, endpoint: int | None = None) -> Steps:
        """Return (time, waiting, busy) as arrays, of one endpoint or of all together.

        Raises
        ------
        ScenarioError
            When there is no queue or service of that name, or no such endpoint.
        """
        number = self.scenario.station_number(name)
        if isinstance(self.scenario[name], MessageQueue):
            return events_over_time(self._delivered(), name)
        if number >= len(self.scenario.stations):
            raise ScenarioError(
                f"{name!r} has no line of requests and no workers of its own; how long its events "
                "waited is in run.deliveries"
            )
        part = self.scenario.stations[number]
        if endpoint is None and isinstance(part, Service) and part.endpoint_count > 1:
            return added([self.steps(name, k) for k in range(part.endpoint_count)])
        here = self.columns.station == number
        if endpoint is not None:
            count = part.endpoint_count if isinstance(part, Service) else 1
            if isinstance(endpoint, bool) or endpoint not in range(count):
                raise ScenarioError(
                    f"{name!r} has the endpoints 0 to {count - 1}, and no {endpoint!r}"
                )
            here = here & (self.columns.endpoint == endpoint)
        workers = sum(crew.workers for crew in self.scenario.serving(name))
        mixed = part.discipline in {"ps", "preemptive"}
        return over_time(self.columns, here, shared_by=workers if mixed else None)

    # -- deliveries ------------------------------------------------------------------------------

    @cached_property
    def deliveries(self) -> pd.DataFrame:
        """One row an event, subscriber and attempt, in the order in which the attempts began.

        Columns: `source` and `number` of the event (each source counts from 0; where there is one
        source only, the number is the row of `requests`; an answer's source is its way:
        ``"shop/billing"``), its `key` where events have keys, `parent` (of an answer: the row of
        the delivery that it answers; -1: a source made it) and `child` (its number among the
        answers); `subscriber` (the queue), `consumer`, `copy` (0, 1, ...: which of the copies
        that this queue got), `attempt` (1, 2, ... of this copy); `sent` (published, or come back),
        `delivered`, `started`, `finished`, `acked` (when the broker knew) and `ended` (when the
        outcome was known), in seconds, NaN for what never came; `outcome` and `reason`, see
        `mesh_lab.messaging.deliveries`; `effect`, whether the handling had its effect.  Where there
        are logs, also `partition`, `offset` and `written`, since when it could be read there; the
        subscribers of a log are the consumer groups.

        Raises
        ------
        ScenarioError
            When there is nothing in the scenario that delivers events.
        """
        logs = any(isinstance(channel, Log) for channel in self.scenario.channels)
        return self._delivered().frame(logs=logs)

    def delivery_report(self) -> pd.DataFrame:
        """Return what became of the events of each subscriber, one row each.

        A message queue is a subscriber, and so is a consumer group of a log.  Every event that was
        meant for it is in one of the columns `once`, `doubled` (handled so often), `lost`, `dead`
        (moved to the dead letters), `moved` (by a redrive), `refused` (the publisher was told) and
        `in_flight`; beside them stand `published`, `delivered` (all attempts) and `out_of_order`.
        See `mesh_lab.messaging.report`.  How long events waited is in `deliveries`.
        """
        from .messaging.report import report

        table = report(self._delivered())
        silent = [topic.name for topic in self.scenario.channels if isinstance(topic, Topic)]
        return table[(table["published"] > 0) | ~table.index.isin(silent)]

    def lost(self, name: str) -> pd.DataFrame:
        """Return the events that subscriber `name` will never handle, and why.

        `name` is a message queue (not its consumer) or a consumer group (not its log).
        """
        from .messaging.report import lost

        return lost(self._delivered(), name)

    def doubled(self, name: str) -> pd.DataFrame:
        """Return the events that subscriber `name` has handled more than once.

        `name` is a message queue or a consumer group, as for `lost`.
        """
        from .messaging.report import doubled

        return doubled(self._delivered(), name)

    def reordered(self, name: str) -> pd.DataFrame:
        """Return the events that subscriber `name` has handled after a later one of their key.

        `name` is a message queue or a consumer group, as for `lost`.
        """
        from .messaging.report import reordered

        return reordered(self._delivered(), name)

    def lag(self, name: str, partition: int | None = None) -> pd.DataFrame:
        """Return how many records consumer group `name` has not committed yet, over time.

        Columns `time` and `lag`: the number holds until the next row.  All partitions together, or
        one.  What was handled and not committed yet counts, as in the tools of Kafka: with the
        default ``commit="after"`` a group that has nothing left to do lags some 5 s of events.

        Raises
        ------
        ScenarioError
            When there is no such group, or no such partition in its log.
        """
        from .messaging.log.lag import lag

        columns = self._delivered()
        sources = {part.name: self.scenario[part.source] for part in self.scenario.subscribers}
        logs = {group: log for group, log in sources.items() if isinstance(log, Log)}
        if name not in logs:
            known = ", ".join(map(repr, logs)) or "none"
            raise ScenarioError(f"{name!r} is not a group that reads a log; there are: {known}")
        if partition not in (None, *range(logs[name].partitions)):
            raise ScenarioError(
                f"{logs[name].name!r} has the partitions 0 to {logs[name].partitions - 1}, and no "
                f"{partition!r}"
            )
        return lag(columns, name, partition)

    def _delivered(self) -> DeliveryColumns:
        if self.delivery_columns is None:
            raise ScenarioError(
                "the scenario has no message queue, topic or log, so there are no deliveries"
            )
        return self.delivery_columns

    # -- numbers ---------------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        """How many requests had not ended when the run did."""
        return int(np.count_nonzero(np.isnan(self._ended)))

    @property
    def last_arrival(self) -> float:
        """When the last request arrived, seconds."""
        made = self.columns.made
        return float(made.max()) if len(made) else 0.0

    def summary(self) -> pd.DataFrame:
        """Return one row a source, queue, service, consumer and group.

        Mean and percentiles are over what ended ``ok``; what ended otherwise is counted beside
        them, by outcome.  See `mesh_lab.summary.summarise`.

        An event that is published into a message queue, topic or log has ended, in the rows of its
        source and of that channel, when it is stored or confirmed: that is what its publisher waits
        for.  How soon it was handled is in the row of the consumer, or group, that handled it.
        """
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
        from .saving import save

        save(self, path)

    def with_warmup(self, warmup: float) -> Run:
        """Return the same run with another warm-up, seconds."""
        if isinstance(warmup, bool) or not isinstance(warmup, int | float) or not warmup >= 0.0:
            raise ScenarioError(f"warmup is {warmup!r}, but must be a time in seconds, 0 or more")
        return Run(
            self.scenario,
            self.seed,
            self.columns,
            duration=self.duration,
            warmup=warmup,
            deliveries=self.delivery_columns,
        )

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

    @cached_property
    def _ended(self) -> Floats:
        """When each request ended; NaN: it is in flight."""
        if self.columns.own_end is not None:
            return self.columns.own_end
        return self.columns.finish[self._ends[1]]

    @cached_property
    def _outcomes(self) -> NDArray[np.int8]:
        """How each request ended; one whose response is on its way is in flight."""
        if self.columns.own_outcome is not None:
            return self.columns.own_outcome
        outcome = self.columns.outcome[self._ends[1]]
        if self.columns.own_end is not None:
            outcome = np.where(np.isnan(self._ended), np.int8(IN_FLIGHT), outcome)
        return outcome

    def _named(self, codes: NDArray[Any], names: Any) -> pd.Categorical:
        import pandas as pd

        return pd.Categorical.from_codes(codes, categories=pd.Index(list(names)))
