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
    ready : float
        When its handshakes are done.
    until : float
        When it takes nothing new any more.
    streams : int
        How many requests it carries.
    declared : bool
        Whether its handshakes are declared to take time.
    """

    __slots__ = ("declared", "endpoint", "ready", "streams", "until")

    def __init__(self, endpoint: int, ready: float, until: float) -> None:
        self.endpoint = endpoint
        self.ready = ready
        self.until = until
        self.streams = 0
        self.declared = False


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
            if connection.streams < self.carries and now < connection.until:
                return connection
        return None

    def may_open(self, now: float) -> bool:
        """Whether there may be one more; those that take nothing new do not count."""
        return sum(now < connection.until for connection in self.open) < self.most

    def connect(self, endpoint: int, seconds: float, now: float) -> Connection:
        """Open a connection."""
        lifetime = math.inf if self.part.lifetime is None else self.part.lifetime
        made = Connection(endpoint, now + seconds, now + lifetime)
        self.open.append(made)
        return made

    def release(self, connection: Connection, now: float, *, broken: bool) -> None:
        """Let a request leave its connection, which ends if it is broken or too old."""
        connection.streams -= 1
        if broken or (now >= connection.until and not connection.streams):
            connection.until = -math.inf
            if connection in self.open:
                self.open.remove(connection)
