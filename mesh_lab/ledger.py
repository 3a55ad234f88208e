"""The columns in which a run is kept while it happens: one row a request, one row a visit.

A *visit* is one request at one part.  When no request can make a second visit and none can be
blocked on its way, the visit's row is the request's row, and one set of columns does for both
(33 bytes a request).  Columns are `array.array`: from a NumPy array one number takes two to three
times as long to read, and comes as a slower kind of number.  When the run is over, NumPy takes
them as they are, without a copy.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .clock import Clock
from .errors import MeshLabError

__all__ = ["OUTCOMES", "Ledger", "Request", "latest"]

OUTCOMES = (
    "in_flight",
    "ok",
    "rejected",
    "dropped",
    "expired",
    "failed",
    "crashed",
    "unavailable",
    "timeout",
    "cancelled",
    "overflow",
    "open",
    "limited",
    "shed",
)
IN_FLIGHT, OK, REJECTED, DROPPED, EXPIRED, FAILED, CRASHED, UNAVAILABLE = range(8)
TIMEOUT, CANCELLED, OVERFLOW, OPEN, LIMITED, SHED = range(8, len(OUTCOMES))

_NAN = math.nan
_GROWTH = 4096  # rows at first, when the number of requests is not known beforehand


def latest(times: NDArray[np.float64]) -> float:
    """Return the latest of some times, NaN for what never came; 0 if nothing did.

    Examples
    --------
    >>> latest(np.array([1.0, np.nan, 3.0])), latest(np.array([np.nan]))
    (3.0, 0.0)
    """
    last = float(np.max(times, initial=0.0))
    # which is NaN if one is; leaving them out takes several times as long
    return last if last == last else float(np.fmax.reduce(times, initial=0.0))


class Request:
    """What moves through the parts: who it is, and what the part that holds it notes on it.

    Its identity is (source, number).  The engine makes them; user code may read `source`,
    `number`, `priority`, `deadline`, `arrival`, `payload`, and `key`, the number of its key (-1
    without keys; its text is that of `mesh_lab.Keys.text`); of what a balancer has sent, also
    `endpoint`, `sent` and, where services are called, `attempt`.
    """

    arrival: float = 0.0
    priority: int = 0
    deadline: float = math.inf
    left: bool = False  # whether its caller has left
    errand: Any = None  # the calls that are made for it
    carried: float | None = None
    payload: Any = None
    on_end: Any = None  # called with the request when it has ended
    visits: dict[int, int] | None = None
    visit: int = 0
    outcome: int = IN_FLIGHT
    # notes of the part that holds it
    order: int = 0  # its place by arrival at the line
    work: float = 0.0  # seconds of work it still needs there
    slot: int = -1  # where it stands in a random-order line
    timer: Any = None  # its time-to-live, while it waits
    due: float = 0.0  # when its work is planned to end
    fails: bool = False  # whether it fails then, as a user's function has said
    key: int = -1  # the number of its key
    subject: str | None = None  # of the event that it publishes; None: its source's name
    # notes of the balancer that sent it
    ticket: Any = None
    entered: float = 0.0  # when it was let in at its endpoint
    met: int = 0  # how many it met there

    def __init__(self, source: int, number: int, row: int) -> None:
        self.source = source
        self.number = number
        self.row = row
        self.call = row

    @property
    def made_by(self) -> int:
        """The number of the source of all; an attempt's own `source` is the way that led to it."""
        return self.source

    @property
    def attempt(self) -> int:
        """Which attempt of its call it is: 0 the first; 0 for what is no attempt."""
        return 0

    @property
    def endpoint(self) -> int:
        """The number of the endpoint that a balancer has picked for it; -1 without any."""
        return -1 if self.ticket is None else self.ticket.endpoint

    @property
    def sent(self) -> float:
        """When it was sent to that endpoint, seconds; NaN without any."""
        return _NAN if self.ticket is None else self.ticket.sent

    def __repr__(self) -> str:
        return f"Request(source={self.source}, number={self.number})"


class Ledger:
    """The columns of one run.

    Parameters
    ----------
    clock : Clock
        Is told when the last request has ended.
    visits : bool
        Whether visits need rows of their own.
    rows : int, optional
        How many requests there will be, when that is known.
    io : bool
        Whether asynchronous handlers note when their work, before the I/O, has ended.
    delays : bool
        Whether a request may end later than its last visit.
    keys : bool
        Whether requests have keys.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        visits: bool,
        rows: int | None = None,
        io: bool = False,
        delays: bool = False,
        keys: bool = False,
    ) -> None:
        self.clock = clock
        self.own_visits = visits
        self.in_flight = 0
        self.requests = 0
        self.calls = 0
        self.request_arrival = array("d")
        self.request_source = array("h")
        self.request_end = array("d")
        self.request_key = array("i")
        self.station = array("h")
        self.endpoint = array("i")
        self.start = array("d")
        self.finish = array("d")
        self.outcome = array("b")
        self.call_request = array("q")
        self.sent = array("d")
        self.arrival = array("d")
        self.worked = array("d")
        self._io = io
        self._delays = delays
        self._keys = keys
        size = _GROWTH if rows is None else rows
        self._room(self._grow_requests, size)
        if visits:
            self._room(self._grow_calls, size)

    # -- while it runs -------------------------------------------------------------------------

    def open(self, source: int, number: int, now: float) -> Request:
        """Begin a request of source number `source`."""
        row = self.requests
        self.requests = row + 1
        self.in_flight += 1
        try:
            self.request_arrival[row] = now
        except IndexError:
            self.grow(row)
            self.request_arrival[row] = now
        self.request_source[row] = source
        request = Request(source, number, row)
        request.arrival = now
        return request

    def keyed(self, request: Request, key: int) -> None:
        """Note the number of the request's key."""
        request.key = self.request_key[request.row] = key

    def visit(self, request: Request, station: int, endpoint: int, now: float) -> None:
        """Begin a visit: the request is offered to an endpoint of a station."""
        if not self.own_visits:
            self.station[request.row] = station
            self.endpoint[request.row] = endpoint
            return
        call = self.calls
        self.calls = call + 1
        request.call = call
        try:
            self.sent[call] = now
        except IndexError:
            self._room(self._grow_calls, max(call, _GROWTH))
            self.sent[call] = now
        self.call_request[call] = request.row
        self.station[call] = station
        self.endpoint[call] = endpoint

    def admit(self, request: Request, now: float) -> None:
        """Note that the station has taken the request in."""
        if self.own_visits:
            self.arrival[request.call] = now

    def close(self, call: int, outcome: int, now: float) -> None:
        """End the visit in row `call`."""
        self.finish[call] = now
        self.outcome[call] = outcome

    def end(self, request: Request, outcome: int) -> None:
        """End a request: its last visit has been closed with `outcome`."""
        self.in_flight -= 1
        if self._delays:
            self.request_end[request.row] = self.clock.env.now
        if request.on_end is not None:
            request.outcome = outcome
            self.clock.agenda.append((request.on_end, request))
        if not self.in_flight and self.clock.stopped:
            self.clock.finish()

    # -- when it is over -----------------------------------------------------------------------

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the visits, as NumPy arrays that share memory with the ledger."""
        n = self.calls if self.own_visits else self.requests
        made: dict[str, NDArray[Any]] = {
            "station": np.frombuffer(self.station, np.int16)[:n],
            "endpoint": np.frombuffer(self.endpoint, np.int32)[:n],
            "start": np.frombuffer(self.start, np.float64)[:n],
            "finish": np.frombuffer(self.finish, np.float64)[:n],
            "outcome": np.frombuffer(self.outcome, np.int8)[:n],
        }
        if self._delays:
            made["own_end"] = np.frombuffer(self.request_end, np.float64)[: self.requests]
        if self._keys:
            made["key"] = np.frombuffer(self.request_key, np.int32)[: self.requests]
        if self._io:
            made["worked"] = np.frombuffer(self.worked, np.float64)[:n]
        if self.own_visits:
            made["own_request"] = np.frombuffer(self.call_request, np.int64)[:n]
            made["own_sent"] = np.frombuffer(self.sent, np.float64)[:n]
            made["own_arrival"] = np.frombuffer(self.arrival, np.float64)[:n]
        return made

    def request_columns(self) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
        """Return (source, arrival) of the requests, sharing memory with the ledger."""
        n = self.requests
        return (
            np.frombuffer(self.request_source, np.int16)[:n],
            np.frombuffer(self.request_arrival, np.float64)[:n],
        )

    def grow(self, row: int) -> None:
        """Make room for request `row` and more, where nobody knew how many there would be."""
        self._room(self._grow_requests, max(row, _GROWTH))

    # -- room ----------------------------------------------------------------------------------

    def _room(self, of: Callable[[int], None], more: int) -> None:
        try:
            of(more)
        except (MemoryError, OverflowError, ValueError):
            raise MeshLabError(
                f"the rows of {more:,} more requests do not fit into memory; run with "
                "keep='summary', which needs the same memory however long the run is"
            ) from None

    def _grow_requests(self, more: int) -> None:
        self.request_source.frombytes(bytes(2 * more))
        self.request_arrival.frombytes(bytes(8 * more))
        if self._delays:
            self.request_end.frombytes(np.full(more, _NAN).tobytes())
        if self._keys:
            self.request_key.frombytes(bytes(4 * more))
        if not self.own_visits:
            self._grow_outcomes(more)

    def _grow_calls(self, more: int) -> None:
        nothing = np.full(more, _NAN).tobytes()
        self.call_request.frombytes(bytes(8 * more))
        self.sent.frombytes(nothing)
        self.arrival.frombytes(nothing)
        self._grow_outcomes(more)

    def _grow_outcomes(self, more: int) -> None:
        nothing = np.full(more, _NAN).tobytes()
        self.start.frombytes(nothing)
        self.finish.frombytes(nothing)
        if self._io:
            self.worked.frombytes(nothing)
        self.station.frombytes(bytes(2 * more))
        self.endpoint.frombytes(bytes(4 * more))
        self.outcome.frombytes(bytes(more))
