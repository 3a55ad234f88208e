"""Limits: how much of each kind a proxy has under way towards a service at the same time.

What Envoy calls circuit breakers (``circuit_breaker.proto``, ``resource_manager_impl.h``): for each
cluster, and here for each proxy, so many connections, requests that wait for a connection, requests
that are under way, and retries.  One more is let in while there are *fewer* than the limit.

* What is over the limit of waiting or running requests fails at once, with a 503 and the flag UO.
  That is never retried: ``retry_state_impl.cc`` says so for the reset reason "overflow" before it
  looks at any condition, and for an answer that carries ``x-envoy-overloaded``.  Nor does outlier
  detection hear of it (`seen`).
* A connection over the limit is not opened, and the request waits.  An endpoint to which there is
  no connection at all still gets its first one, so that none starves: that is for the caller to
  see to (``conn_pool_base.cc``).
* A request that waits for a connection is no running one: the limit of these is looked at when it
  gets its connection, so that many may wait and some of them still be refused.
* A retry over the limit is not made, and what came back is passed on.  It is held from the decision
  to retry, through the pause, until that attempt is over (`RetryBudget` has the same).

Envoy's workers count together, without a lock, so that it may let a few too many in; here none.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

from annotated_types import Ge, Le

from ..balancing.rule import Ints, Make, kernel, kernels
from ..parts import part

__all__ = [
    "CONNECTIONS",
    "PENDING",
    "REQUESTS",
    "RETRIES",
    "InUse",
    "Limits",
    "give",
    "room",
    "take",
]

CONNECTIONS, PENDING, REQUESTS, RETRIES = 0, 1, 2, 3
KINDS = 4
UNLIMITED = 2**32 - 1

AtMost = Annotated[int, Ge(0), Le(UNLIMITED)]


@kernel
def room(s: InUse, p: int, kind: int) -> int:
    """Return 1 if proxy `p` may have one more, 0 if not; nothing is changed."""
    return 1 if s.held[p * KINDS + kind] < s.at_most[kind] else 0


@kernel
def take(s: InUse, p: int, kind: int) -> int:
    """Take one more, if that is allowed: 1 if it is, 0 for an overflow."""
    at = p * KINDS + kind
    if s.held[at] >= s.at_most[kind]:
        s.overflowed[at] += 1
        return 0
    s.held[at] += 1
    return 1


@kernel
def give(s: InUse, p: int, kind: int) -> None:
    """Give back one that was taken."""
    s.held[p * KINDS + kind] -= 1


@kernels(room=room, take=take, give=give)
class InUse(NamedTuple):
    """What each proxy holds, at ``p * 4 + kind``.

    Attributes
    ----------
    at_most : ints
        The limit of each kind: `CONNECTIONS`, `PENDING`, `REQUESTS`, `RETRIES`.
    held : ints
        How many there are.
    overflowed : ints
        How many were refused.
    """

    at_most: Ints
    held: Ints
    overflowed: Ints


@part
class Limits:
    """How many connections, waiting requests, running requests and retries a proxy may have.

    Parameters
    ----------
    max_connections, max_pending_requests, max_requests, max_retries : int
        At a time, for one proxy and one service; the defaults are Envoy's.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> s = Limits(max_pending_requests=2).state(1, Lists())
    >>> [take(s, 0, PENDING) for _ in range(3)]
    [1, 1, 0]
    >>> give(s, 0, PENDING)
    >>> take(s, 0, PENDING), s.overflowed[PENDING]
    (1, 1)
    """

    max_connections: AtMost = 1024
    max_pending_requests: AtMost = 1024
    max_requests: AtMost = 1024
    max_retries: AtMost = 3

    @classmethod
    def envoy(cls) -> Limits:
        """Return Envoy's defaults."""
        return cls()

    @classmethod
    def istio(cls) -> Limits:
        """Return what istiod configures where nothing is asked for: no limits (2**32 - 1)."""
        return cls(
            max_connections=UNLIMITED,
            max_pending_requests=UNLIMITED,
            max_requests=UNLIMITED,
            max_retries=UNLIMITED,
        )

    def state(self, proxies: int, make: Make) -> InUse:
        """Return the state of so many proxies, which hold nothing."""
        at_most = (
            self.max_connections,
            self.max_pending_requests,
            self.max_requests,
            self.max_retries,
        )
        nothing = [0] * (proxies * KINDS)
        return InUse(make.ints(at_most), make.ints(nothing), make.ints(nothing))
