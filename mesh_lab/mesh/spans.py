"""The columns of a run in which services call each other: two sides of every attempt.

The callee's side is the row that every visit has: when it was let in, started, done, and how it
ended there.  The caller's side stands beside it: when the caller knew (`returned`) and what it saw
(`result`).  They differ where a caller has left: its side ends with ``timeout`` or ``cancelled``,
and the callee may work on for nobody.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..ledger import Ledger, Request
from .attempt import Attempt

if TYPE_CHECKING:
    from .calling import Callee

__all__ = ["GraphLedger"]

_NAN = float("nan")


class GraphLedger(Ledger):
    """A ledger that knows who called whom, and what callers saw.

    Attributes
    ----------
    answered : callable
        Gets an attempt that has come back; on the agenda.
    working : int
        Attempts that have not ended where they were sent, waited for or not.
    """

    answered: Callable[[Attempt], None]
    working = 0

    def __init__(self, *args: Any, **fields: Any) -> None:
        self.parent = array("q")
        self.attempt = array("h")
        self.returned = array("d")
        self.result = array("b")
        self.request_outcome = array("b")
        super().__init__(*args, **fields)

    # -- while it runs -------------------------------------------------------------------------

    def send(self, attempt: Attempt, station: int, endpoint: int, now: float) -> None:
        """Begin the row of an attempt."""
        self.visit(attempt, station, endpoint, now)
        call = attempt.call
        calling = attempt.calling
        # a copy of what a source has sent has no visit before it either
        below = calling.errand is not None or (calling.copy and isinstance(calling.parent, Attempt))
        self.parent[call] = calling.parent.call if below else -1
        self.attempt[call] = attempt.visit
        self.working += 1

    def not_sent(self, attempt: Attempt, callee: Callee, outcome: int, now: float) -> None:
        """Write the row of an attempt that goes nowhere; its caller is told on the agenda."""
        self.send(attempt, callee.station, -1, now)
        self.close(attempt.call, outcome, now)
        self.back(attempt, outcome, now)
        self.gone()

    def back(self, attempt: Attempt, result: int, now: float) -> None:
        """Note what the caller has seen of an attempt, and when."""
        attempt.result = result
        self.returned[attempt.call] = now
        self.result[attempt.call] = result

    def gone(self) -> None:
        """Count an attempt that has ended where it was sent."""
        self.working -= 1
        if not self.working and not self.in_flight and self.clock.stopped:
            self.clock.finish()

    def end(self, request: Request, outcome: int) -> None:
        """End what a source has made, or an attempt: its response has come back."""
        if not isinstance(request, Attempt):
            self.request_outcome[request.row] = outcome
            super().end(request, outcome)
            return
        if not request.left:
            self.back(request, outcome, self.clock.env.now)
            self.clock.agenda.append((self.answered, request))
        self.gone()

    def end_call(self, request: Request, outcome: int) -> None:
        """End the call that a source has made."""
        self.end(request, outcome)

    # -- when it is over -----------------------------------------------------------------------

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns of the visits and both their sides."""
        n = self.calls
        return {
            **super().columns(),
            "own_outcome": np.frombuffer(self.request_outcome, np.int8)[: self.requests],
            "parent": np.frombuffer(self.parent, np.int64)[:n],
            "attempt": np.frombuffer(self.attempt, np.int16)[:n],
            "returned": np.frombuffer(self.returned, np.float64)[:n],
            "result": np.frombuffer(self.result, np.int8)[:n],
        }

    # -- room ----------------------------------------------------------------------------------

    def _grow_requests(self, more: int) -> None:
        super()._grow_requests(more)
        self.request_outcome.frombytes(bytes(more))

    def _grow_calls(self, more: int) -> None:
        super()._grow_calls(more)
        self.parent.frombytes(np.full(more, -1).tobytes())
        self.attempt.frombytes(bytes(2 * more))
        self.returned.frombytes(np.full(more, _NAN).tobytes())
        self.result.frombytes(bytes(more))
