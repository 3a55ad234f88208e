"""Processor sharing: everybody is served at once, each at an equal share of the workers.

With *n* requests and *c* workers each is served at rate min(1, c/n).  The rule is kept in *virtual
time* V, the work that one request would have received since the station was last empty: a request
that arrives at V with work w is done when V reaches its tag, V + w.  So an arrival or a departure
costs O(log n), whatever n is.  At a completion V is set to the tag of the request that leaves, and
to 0 when the station is empty, which keeps rounding from adding up.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from ..clock import COMPLETION, Alarm, Clock
from ..ledger import Ledger, Request
from .crew import Hands, Need, Onward
from .line import Line

__all__ = ["SharedWorkers"]


class SharedWorkers(Hands):
    """Workers that share their time equally among all the requests that are there."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        line: Line,
        need: Need,
        *,
        workers: int = 1,
        failure: float = 0.0,
        chance: Need | None = None,
        onward: Onward | None = None,
    ) -> None:
        super().__init__(clock, ledger, line, need, failure=failure, chance=chance, onward=onward)
        self.workers = workers
        self.free = 1 << 60  # nobody waits; the line limits how many may be here
        self.virtual = 0.0
        self._since = 0.0
        self._served: list[tuple[float, int, Request]] = []
        self._hands: dict[int, Request] = {}  # visits in order of start, with those blocked
        self._alarm: Alarm | None = None

    def held(self) -> int:
        """Return how many requests are in its hands."""
        return len(self._hands)

    def start(self, request: Request, now: float) -> None:
        """Begin to serve `request`, beside the others."""
        self.ledger.start[request.call] = now
        self._advance(now)
        tag = self.virtual + request.work / self.line.speed
        heappush(self._served, (tag, request.order, request))
        self._hands[request.call] = request
        self._plan()

    def _rate(self) -> float:
        n = len(self._served)
        return 1.0 if n <= self.workers else self.workers / n

    def _advance(self, now: float) -> None:
        if self._served:
            self.virtual = self.virtual + (now - self._since) * self._rate()
        self._since = now

    def _plan(self) -> None:
        """Schedule the next completion; the one that was planned before is abandoned."""
        if self._alarm is not None:
            self._alarm.subject = None
        self._alarm = None
        if self._served:
            tag, _, request = self._served[0]
            self._alarm = Alarm(self._completed, request)
            left = (tag - self.virtual) / self._rate()
            # rounding of V may put a tag just behind it; the completion is then due now
            self.clock.schedule(self._alarm, COMPLETION, max(left, 0.0))

    def _completed(self, alarm: Alarm) -> None:
        request = alarm.subject
        if request is None:
            return
        now = self.clock.env.now
        tag, _, _ = heappop(self._served)
        self.virtual = tag if self._served else 0.0
        self._since = now
        self._plan()
        self.depart(request, now)
        self.clock.drain()

    def let_go(self, call: int) -> None:
        """Forget the visit; its share went to the others when its work was done."""
        del self._hands[call]

    def interrupt(self, request: Request, now: float) -> None:
        """Take a request out of those that are served."""
        self._advance(now)
        self._served = [entry for entry in self._served if entry[2] is not request]
        heapify(self._served)
        if not self._served:
            self.virtual = 0.0
        self._plan()

    def make_way(self, request: Request, now: float) -> Request | None:
        """Nobody is interrupted where everybody is served."""
        return None

    def alive(self) -> bool:
        """Whether it works on something, or will be up again."""
        return not self.free or bool(self._served)

    def crash(self, now: float) -> None:
        """End everything in its hands, and start nothing until `recover`."""
        self.free = 0
        self._served.clear()
        self.virtual, self._since = 0.0, now
        self._plan()
        for call, request in list(self._hands.items()):
            self.end_crashed(request, call, now)
        self._hands.clear()
        if not self.line.down:
            self.line.let_in(now)  # the limit is on all that are there, so there is room now

    def recover(self, now: float) -> None:
        """Serve again."""
        self.free = 1 << 60
        self.line.serve(now)
        self.line.let_in(now)
