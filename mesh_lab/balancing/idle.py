"""Join idle queue: endpoints say that they are idle, so that nobody has to ask."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, ClassVar, NamedTuple

from annotated_types import Ge, Le

from ..parts import part
from .rule import (
    OWN_DRAWS,
    Balancer,
    Floats,
    Ints,
    Make,
    Pool,
    Rule,
    View,
    kernel,
    kernels,
    own_draw,
)

__all__ = ["JoinIdleQueue"]


@kernel
def pick_idle(s: Any, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """The first of the I-queue; when it is empty, any."""
    e = s.head[g]
    if e < 0:
        return v.hosts[g * v.stride + int(u[0] * v.size[g])]  # type: ignore[no-any-return]
    take_out(s, e)
    return e  # type: ignore[no-any-return]


@kernel
def take_out(s: Any, e: int) -> None:
    """Take endpoint `e` out of the I-queue in which it stands."""
    g = s.standing[e]
    a = s.before[e]
    b = s.after[e]
    if a < 0:
        s.head[g] = b
    else:
        s.after[a] = b
    if b < 0:
        s.tail[g] = a
    else:
        s.before[b] = a
    s.length[g] -= 1
    s.standing[e] = -1


@kernel
def put_last(s: Any, g: int, e: int) -> None:
    """Put endpoint `e` at the end of the I-queue of pool `g`."""
    last = s.tail[g]
    s.before[e] = last
    s.after[e] = -1
    if last < 0:
        s.head[g] = e
    else:
        s.after[last] = e
    s.tail[g] = e
    s.length[g] += 1
    s.standing[e] = g


@kernel
def join_when_idle(s: Any, v: View, e: int, now: float, stay: float, met: int) -> None:
    """An endpoint that has become idle joins the shortest of a few I-queues."""
    if v.there[e] > 0 or s.standing[e] >= 0:
        return
    start = s.begins[e]
    n = s.begins[e + 1] - start
    if n == 0:
        return
    best = s.within[start]
    if n > 1:
        for k in range(min(s.choices, n)):
            place = int(own_draw(v) * (n - k))
            j = 0
            while j < k and s.drawn[j] <= place:
                place += 1
                j += 1
            i = k
            while i > j:
                s.drawn[i] = s.drawn[i - 1]
                i -= 1
            s.drawn[j] = place
            g = s.within[start + place]
            if k == 0 or s.length[g] < s.length[best]:
                best = g
    put_last(s, best, e)


@kernel
def withdraw_when_busy(s: Any, v: View, e: int, now: float) -> None:
    """An endpoint that has got work is not idle."""
    if s.standing[e] >= 0:
        take_out(s, e)


@kernels(pick=pick_idle, left=join_when_idle)
class Idle(NamedTuple):
    """The I-queues, as linked lists of endpoints.

    Attributes
    ----------
    choices : int
        Among how many I-queues an endpoint looks for the shortest.
    drawn : ints
        Room to draw them in.
    owner, head, tail, length : ints, one a pool
        Whose I-queue it is, its first and last endpoint (-1: empty), and how many it holds.
    before, after, standing : ints, one an endpoint
        Its neighbours, and the pool in whose I-queue it stands (-1: none).
    begins, within : ints
        Endpoint *e* is in the pools ``within[begins[e]]`` to ``within[begins[e + 1] - 1]``.
    dealt : ints
        How many endpoints have been dealt to I-queues at the start or by a change.
    """

    choices: int
    drawn: Ints
    owner: Ints
    head: Ints
    tail: Ints
    length: Ints
    before: Ints
    after: Ints
    standing: Ints
    begins: Ints
    within: Ints
    dealt: Ints


@kernels(pick=pick_idle, left=join_when_idle, arrived=withdraw_when_busy)
class Withdrawn(NamedTuple):
    """The same, for endpoints that leave an I-queue when they get work; see `Idle`."""

    choices: int
    drawn: Ints
    owner: Ints
    head: Ints
    tail: Ints
    length: Ints
    before: Ints
    after: Ints
    standing: Ints
    begins: Ints
    within: Ints
    dealt: Ints


@part
class JoinIdleQueue(Balancer):
    """An endpoint that has said it is idle; if none has, any.

    Join-Idle-Queue (Lu, Xie, Kliot, Geller, Larus and Greenberg, Performance Evaluation 68, 2011).
    Every balancer has an I-queue.  An endpoint that becomes idle joins that of a random balancer
    (JIQ-Random), or the shortest of a few random ones (JIQ-SQ(d)).  A balancer takes the first
    endpoint out of its I-queue, and when that is empty picks uniformly at random.  So nothing is
    asked while a request waits; but a balancer may have none while others have many.

    An endpoint stands in one I-queue at most, once: while an entry is still there, becoming idle
    again adds none.  [Recalled of the paper's one entry an idle server, not checked against it.]
    At the start, endpoints are dealt to the balancers in turn; so are those that join or come
    back idle.  An endpoint that leaves is taken out of its I-queue.  Weights do not matter.

    Parameters
    ----------
    choices : int
        Among how many different I-queues, drawn at random, an endpoint joins the shortest; of a
        tie, the first drawn.  1 is JIQ-Random; more than there are balancers means all of them.
    withdraw : bool
        Whether an endpoint that gets work from elsewhere takes its entry back; otherwise a
        balancer may later take a busy endpoint for an idle one.

    Examples
    --------
    >>> JoinIdleQueue(choices=2)
    JoinIdleQueue(choices=2)
    """

    sees: ClassVar[str] = "which endpoints said that they are idle"
    origin: ClassVar[str] = "Lu et al. 2011"
    oracle: ClassVar[bool] = True
    choices: Annotated[int, Ge(1), Le(OWN_DRAWS)] = 1
    withdraw: bool = False

    @property
    def draws(self) -> int:
        """One, for when nobody is idle."""
        return 1

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the rule: I-queues as they were, and who is idle and stands in none, dealt."""
        stride = view.stride
        holders: list[list[int]] = [[] for _ in range(stride)]
        for g, pool in enumerate(pools):
            for e in pool.endpoints:
                holders[e].append(g)
        queues: list[list[int]] = [[] for _ in pools]
        dealt = 0
        if isinstance(old, Idle | Withdrawn):
            dealt = int(old.dealt[0])
            for owner, e in _standing(old):
                g = int(view.pool[owner * stride + e])
                if g >= 0:
                    queues[g].append(e)
        known = {e for queue in queues for e in queue}
        for e in range(stride):
            if holders[e] and e not in known and view.there[e] == 0:
                queues[holders[e][dealt % len(holders[e])]].append(e)
                dealt += 1
        before, after, standing = [-1] * stride, [-1] * stride, [-1] * stride
        for g, queue in enumerate(queues):
            for a, b in pairwise(queue):
                after[a], before[b] = b, a
            for e in queue:
                standing[e] = g
        begins, within = [0], list[int]()
        for held in holders:
            within += held
            begins.append(len(within))
        kind = Withdrawn if self.withdraw else Idle
        return kind(
            self.choices,
            make.ints([0] * self.choices),
            make.ints([pool.balancer for pool in pools]),
            make.ints([queue[0] if queue else -1 for queue in queues]),
            make.ints([queue[-1] if queue else -1 for queue in queues]),
            make.ints([len(queue) for queue in queues]),
            make.ints(before),
            make.ints(after),
            make.ints(standing),
            make.ints(begins),
            make.ints(within or [0]),
            make.ints([dealt]),
        )


def _standing(old: Idle | Withdrawn) -> list[tuple[int, int]]:
    """Return (balancer, endpoint) for all that stand in I-queues, each from its first on."""
    entries = []
    for owner, head in zip(old.owner, old.head, strict=True):
        e = int(head)
        while e >= 0:
            entries.append((int(owner), e))
            e = int(old.after[e])
    return entries
