"""The connections of a proxy at work: who carries what, who waits for room.

See `mesh_lab.stations.connections` for the rules.
"""

from __future__ import annotations

import math
from collections import deque

from ..stations.connections import Connections
from .attempt import Attempt

__all__ = ["Connection", "Pool"]


class Connection:
    """One connection.

    Attributes
    ----------
    endpoint : int
        Where it goes.
    until : float
        When it takes nothing new any more.
    streams : int
        How many requests it carries.
    up : bool
        Whether its handshakes are done.
    """

    __slots__ = ("endpoint", "streams", "until", "up")

    def __init__(self, endpoint: int) -> None:
        self.endpoint = endpoint
        self.until = math.inf
        self.streams = 0
        self.up = False


class Pool:
    """The connections of one proxy to one endpoint, or to a service.

    Attributes
    ----------
    open : list of Connection
        In order of opening.
    waiting : deque of Attempt
        Requests that wait for room.
    """

    def __init__(self, part: Connections) -> None:
        self.part = part
        self.carries = math.inf if part.carries is None else part.carries
        self.most = math.inf if part.most is None else part.most
        self.open: list[Connection] = []
        self.waiting: deque[Attempt] = deque()

    def free(self, now: float) -> Connection | None:
        """Return the connection that carries the next request, if one has room."""
        for connection in self.open:
            if connection.up and connection.streams < self.carries and now < connection.until:
                return connection
        return None

    def room(self, now: float) -> float:
        """Return how many more requests all that are open, or will be, can carry."""
        there = [c for c in self.open if now < c.until]
        return sum(self.carries - connection.streams for connection in there)

    def may_open(self, now: float) -> bool:
        """Whether there may be one more; those that take nothing new do not count."""
        return sum(now < connection.until for connection in self.open) < self.most

    def connect(self, endpoint: int) -> Connection:
        """Open a connection; its handshakes are yet to come."""
        made = Connection(endpoint)
        self.open.append(made)
        return made

    def connected(self, connection: Connection, now: float) -> None:
        """Note that its handshakes are done: from now on it carries requests, and grows old."""
        connection.up = True
        if self.part.lifetime is not None:
            # it carries what it was opened for, however short its life is
            connection.until = max(now + self.part.lifetime, math.nextafter(now, math.inf))

    def close_old(self, now: float) -> int:
        """Close what is too old and carries nothing; return how many that were."""
        old = [c for c in self.open if now >= c.until and not c.streams]
        for connection in old:
            self.open.remove(connection)
        return len(old)

    def release(self, connection: Connection, now: float, *, broken: bool) -> None:
        """Let a request leave its connection, which ends if it is broken or too old."""
        connection.streams -= 1
        if broken or (now >= connection.until and not connection.streams):
            connection.until = -math.inf
            if connection in self.open:
                self.open.remove(connection)
