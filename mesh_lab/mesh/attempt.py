"""An attempt: one request that is sent for a call, as the parts that it visits know it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..ledger import IN_FLIGHT, Request

if TYPE_CHECKING:
    from .calling import Calling

__all__ = ["Attempt"]


class Attempt(Request):
    """A request of a caller to a service.

    Its draws are addressed by the way that led to it (`source`), by which attempt of its call it is
    (`visit`), and by the number of the request that it is all about.

    Attributes
    ----------
    calling : Calling
        The call that it was sent for.
    sender : int
        The proxy through which it went; -1 when it was not sent.
    holds : int
        The proxy whose budget it is a retry from; -1: none.
    passed : int
        What the breaker said when it let it in.
    connection, pool, held
        What carries it; where it waits for a connection; what holds it back on purpose.
    let_in, inside : float
        When the door of its proxy, and that of its endpoint, has let it in.
    result : int
        What the caller saw of it; `IN_FLIGHT` as long as it waits.
    timed : bool
        Whether it has an end of its time to come.
    alarm : Alarm or None
        For that end, where it needs one of its own.
    last : bool
        Whether that is the end of its call, too.
    """

    result: int = IN_FLIGHT
    sender: int = -1
    holds: int = -1
    passed: int = 0
    connection: Any = None
    pool: Any = None
    held: Any = None
    let_in: float = math.nan
    inside: float = math.nan
    timed: bool = False
    alarm: Any = None
    last: bool = False

    def __init__(self, calling: Calling, origin: int, visit: int) -> None:
        of = calling.parent
        self.source = origin
        self.visit = visit
        self.number = of.number
        self.row = of.row
        self.call = -1
        self.calling = calling
        self.arrival = of.arrival
        self.priority = of.priority
        self.deadline = of.deadline
        self.key = of.key
        self.carried = of.carried
        self._made_by = of.made_by

    @property
    def made_by(self) -> int:
        """The number of the source of all."""
        return self._made_by

    @property
    def attempt(self) -> int:
        """Which attempt of its call it is: 0 the first."""
        return self.visit

    def __repr__(self) -> str:
        return f"Request(source={self.made_by}, number={self.number}, attempt={self.visit})"
