"""The two formulas of Erlang: the share that is lost, the share that has to wait.

**The model.** Poisson arrivals of rate lambda, service times with mean 1/mu, c servers.  The
offered load a = lambda/mu (in erlang) is the mean number of servers that the work would keep busy.

**Without any waiting room** an arrival that finds all servers busy is lost.  The number busy is a
birth-and-death chain on 0 ... c with probabilities in proportion to a**n/n!, and by PASTA the share
lost is the last of them (Erlang 1917).  Factorials overflow; the recursion

    B[0] = 1,    B[k] = a B[k-1] / (k + a B[k-1])

has positive terms only, and neither overflows nor loses digits.  It holds for any service time of
the same mean (insensitivity), and at any load.

**With unlimited room** those who find all servers busy wait, and the chain goes on above c with the
constant ratio a/c.  Summing it gives the probability of waiting, for exponential service,

    C = c B / (c - a (1 - B)),

above B, because those who wait are still there when the next one comes; below 1 only when a < c.

Sources: Erlang (1917); Kleinrock (1975), Queueing Systems volume 1, chapter 3.
"""

from __future__ import annotations

import math

from . import _arguments as check

__all__ = ["enough", "erlang_b", "erlang_c", "lost_of", "waits_of"]


def erlang_b(*, servers: int, offered_load: float) -> float:
    """Return the share of requests lost when `servers` have no waiting room (M/G/c/c).

    Parameters
    ----------
    servers : int
        One or more.
    offered_load : float
        Arrival rate times mean service time, in erlang; any load is allowed.

    Raises
    ------
    PartError
        When an argument is not what is said above.

    Notes
    -----
    Insensitive: only the mean of the service time matters, not its distribution.

    Examples
    --------
    A telephone line group of 15 lines loses one call in a hundred at 8.108 erlang:

    >>> round(erlang_b(servers=15, offered_load=8.108), 5)
    0.01
    """
    c = check.count("erlang_b", "servers", servers, most=check.ONE_BY_ONE)
    a = check.at_least_zero("erlang_b", "offered_load", offered_load)
    return lost_of(c, a)


def lost_of(servers: int, load: float) -> float:
    """Return Erlang B for checked arguments."""
    blocked = 1.0
    for k in range(1, servers + 1):
        blocked = load * blocked / (k + load * blocked)
    return blocked


def erlang_c(*, servers: int, offered_load: float) -> float:
    """Return the probability that a request has to wait in M/M/c.

    Parameters
    ----------
    servers : int
        One or more.
    offered_load : float
        Arrival rate times mean service time, in erlang; below `servers`.

    Raises
    ------
    PartError
        When an argument is not what is said above.
    UnstableError
        When the offered load is not below the number of servers.

    Examples
    --------
    >>> round(erlang_c(servers=1, offered_load=0.7), 12)
    0.7
    >>> round(erlang_c(servers=55, offered_load=48.0), 4)
    0.2387
    """
    c = check.count("erlang_c", "servers", servers, most=check.ONE_BY_ONE)
    a = check.at_least_zero("erlang_c", "offered_load", offered_load)
    check.refuse_unstable(
        f"M/M/{c} with an offered load of {a:.6g}",
        a / c,
        f"it needs {enough(a)} servers or more",
    )
    return waits_of(c, a)


def waits_of(servers: int, load: float) -> float:
    """Return Erlang C for checked arguments, a load below the number of servers."""
    blocked = lost_of(servers, load)
    # c - a (1 - B), written as a sum of positive terms.
    return servers * blocked / ((servers - load) + load * blocked)


def enough(load: float) -> int:
    """Return the smallest number of servers that is above the offered load."""
    return math.floor(load) + 1
