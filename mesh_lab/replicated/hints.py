"""Hinted hand-off: a coordinator keeps the writes that a replica missed, and hands them over later.

Source: Cassandra's documentation, "Hints".  A hint is kept for a replica that the coordinator takes
for down, and for one that has not answered a write within its timeout; none when the replica has
been out of reach for longer than the window, so that a long absence is not made good.  All hints
for a node are sent at the next tick at which it is in reach; those that it has not confirmed within
the write timeout are sent again, at the tick that follows.  A hint carries the timestamp of its
write, so that it never undoes a later one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ..clock import CHANGE, Alarm, Clock
from .history import Operation
from .network import Network

__all__ = ["Hints"]

Send = Callable[[int, int, Operation, int], None]


class Hints:
    """The hints of all coordinators.

    Parameters
    ----------
    window, every, timeout : float
        Seconds: how long after a node was last in reach hints are kept for it; from tick to tick;
        until a hint that was sent may be sent again.
    send : callable
        Sends (holder, target, write, attempt), and calls `confirmed` if an answer comes.
    """

    __slots__ = (
        "_clock", "_every", "_kept", "_network", "_planned", "_send", "_timeout", "_window",
    )  # fmt: skip

    def __init__(
        self,
        clock: Clock,
        network: Network,
        *,
        window: float,
        every: float,
        timeout: float,
        send: Send,
    ) -> None:
        self._clock = clock
        self._network = network
        self._window = window
        self._every = every
        self._timeout = timeout
        self._send = send
        self._kept: dict[tuple[int, int], dict[Operation, int]] = {}
        self._planned: set[tuple[int, int]] = set()

    def keep(self, holder: int, target: int, write: Operation) -> None:
        """Keep one hint, unless the target has been away for too long."""
        now = self._clock.env.now
        if self._network.out_of_reach(holder, target, now) <= self._window:
            self._kept.setdefault((holder, target), {})[write] = 0
            self.plan(holder, target)

    def plan(self, holder: int, target: int, after: float = 0.0) -> None:
        """Plan the next hand-over, if there is something to hand over and the target in reach.

        It comes at the first tick that is more than `after` seconds away.
        """
        pair = holder, target
        if (
            self._kept.get(pair)
            and pair not in self._planned
            and self._network.reaches(holder, target)
        ):
            now = self._clock.env.now
            wait = (math.floor((now + after) / self._every) + 1) * self._every - now
            self._planned.add(pair)
            self._clock.schedule(
                Alarm(self._hand_over, pair), CHANGE, wait if wait > after else after + self._every
            )

    def _hand_over(self, alarm: Alarm) -> None:
        pair: tuple[int, int] = alarm.subject
        self._planned.discard(pair)
        if self._network.reaches(*pair):
            kept = self._kept[pair]
            for write in kept:
                self._send(*pair, write, kept[write])
                kept[write] += 1
            self.plan(*pair, after=self._timeout)

    def confirmed(self, holder: int, target: int, write: Operation) -> None:
        """Forget a hint that the target has confirmed."""
        self._kept[holder, target].pop(write, None)

    def deliverable(self) -> Iterator[Operation]:
        """Yield what is still kept by a node that has not gone for good, for one that has not."""
        gone = self._network.gone
        for (holder, target), kept in self._kept.items():
            if not gone[holder] and not gone[target]:
                yield from kept
