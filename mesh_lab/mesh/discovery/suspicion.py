"""How long a suspect has to show that it is alive, and other numbers that grow with the group.

memberlist's rules (``util.go``, ``suspicion.go``); n is how many members somebody knows of:

*Suspicion.*  Whoever suspects a member gives it ``multiplier * max(1, log10 n)`` probe intervals at
least, and `longest` times that at most.  He begins with the most, and comes down to the least as
others confirm: after c of k independent confirmations the time is

    max - (max - min) * log(c + 1) / log(k + 1)

in whole milliseconds, rounded down, from when he began (Dadgar, Phillips, Currey: "Lifeguard",
2018).  k is ``multiplier - 2``; with too few members for that nobody is waited for, and the least
time is given from the start.

*Retransmission.*  A piece of news is sent on ``multiplier * ceil(log10(n + 1))`` times by each.

*Exchange of everything* is rarer in large groups: the interval is as declared up to 32 members, and
grows by itself with each doubling.
"""

from __future__ import annotations

import math

__all__ = ["Suspicion", "push_pull_interval", "retransmit_limit", "suspicion_timeout"]

_SCALE_FROM = 32  # members


def suspicion_timeout(multiplier: int, members: int, interval: float) -> float:
    """Return the least seconds that a suspect is given.

    Examples
    --------
    >>> [round(suspicion_timeout(4, n, 1.0), 3) for n in (3, 10, 50, 1000)]
    [4.0, 4.0, 6.792, 12.0]
    """
    scale = max(1.0, math.log10(max(1.0, members)))
    return multiplier * int(scale * 1000.0) * interval / 1000.0


def retransmit_limit(multiplier: int, members: int) -> int:
    """Return how often each member sends a piece of news.

    Examples
    --------
    >>> [retransmit_limit(4, n) for n in (1, 9, 10, 99, 100)]
    [4, 4, 8, 8, 12]
    """
    return multiplier * math.ceil(math.log10(members + 1))


def push_pull_interval(interval: float, members: int) -> float:
    """Return the seconds between two exchanges of everything.

    Examples
    --------
    >>> [push_pull_interval(30.0, n) for n in (32, 33, 64, 65)]
    [30.0, 60.0, 60.0, 90.0]
    """
    if members <= _SCALE_FROM:
        return interval
    return (math.ceil(math.log2(members) - math.log2(_SCALE_FROM)) + 1.0) * interval


class Suspicion:
    """One member's suspicion of another.

    Parameters
    ----------
    source : int
        Who suspected first; he is not a confirmation.
    k : int
        Confirmations that bring the time down to the least.
    least, most : float
        Seconds.
    start : float
        When it began.

    Attributes
    ----------
    deadline : float
        When the suspect is taken for dead.

    Examples
    --------
    >>> suspicion = Suspicion(source=1, k=2, least=4.0, most=24.0, start=100.0)
    >>> suspicion.deadline, suspicion.confirm(1, 101.0), suspicion.confirm(2, 101.0)
    (124.0, False, True)
    >>> suspicion.deadline, suspicion.confirm(3, 102.0), suspicion.deadline
    (111.381, True, 104.0)
    """

    __slots__ = ("_k", "_least", "_most", "_sources", "confirmations", "deadline", "start")

    def __init__(self, source: int, k: int, least: float, most: float, start: float) -> None:
        self._sources = {source}
        self._k = k
        self._least = least
        self._most = most
        self.start = start
        self.confirmations = 0
        self.deadline = start + (most if k >= 1 else least)

    def confirm(self, source: int, now: float) -> bool:
        """Take in that `source` suspects too; return whether that was new and wanted."""
        if self.confirmations >= self._k or source in self._sources:
            return False
        self._sources.add(source)
        self.confirmations += 1
        share = math.log(self.confirmations + 1.0) / math.log(self._k + 1.0)
        time = math.floor(1000.0 * (self._most - share * (self._most - self._least))) / 1000.0
        self.deadline = max(self.start + max(time, self._least), now)
        return True
