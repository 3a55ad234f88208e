"""Prequal: probes that are sent beforehand, and a rule that avoids full endpoints first.

With every request a balancer sends a few probes to random endpoints and does not wait for them.
Each comes back with the requests in flight (RIF) at the endpoint and the latency that a request
can expect there.  The balancer keeps the answers in a small pool and picks out of it: answers with
a high RIF are hot, and of those that are cold the lowest latency is taken.

Wydrowski, Kleinberg, Rumble, Archer: "Load is not what you should balance: Introducing Prequal",
NSDI 2024.  The paper was not at hand: the rule follows summaries of it, which do not settle
everything; what was settled here is listed in the notes of `Prequal`.

The endpoints' side, the latency they tell, is in `mesh_lab.balancing.probes`; the pool and its
hot-cold rule are in `mesh_lab.balancing.answers`; what happens at a pick and when a probe arrives
is in `mesh_lab.balancing.probing`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

from annotated_types import Ge, Gt, Le

from ..parts import NonNegative, Positive, Probability, part
from .probes import BUCKETS, LATEST, RIF_LIMIT, RIF_WINDOW
from .probing import Probes
from .rule import Balancer, Floats, Ints, Make, Pool, Rule, View

__all__ = ["Prequal"]

ON_THE_WAY = 1024  # probes that can be on the way at once, for each balancer
UNLIMITED = 1e15  # uses of an answer: more than there are requests


@part
class Prequal(Balancer):
    """Avoid endpoints that are fuller than most, and of the rest take the quickest.

    A balancer keeps the answers to its probes, at most `pool` and none older than `max_age`.  For
    a request:

    1. Answers that are too old go.  With fewer than two left, the request goes to an endpoint at
       random.  Otherwise an answer is hot if its requests in flight (RIF) are above the `quantile`
       of the RIFs that came back lately.  If any is cold, the cold one with the lowest latency is
       taken, and if all are hot the one with the lowest RIF.
    2. The RIF of the answer that was taken goes up by one; used as often as it may be, it goes.
    3. `removals` answers go, in turn the oldest and the worst: if any is hot, the hot one with the
       highest RIF, otherwise the one with the highest latency.
    4. `probes` probes leave for different endpoints at random.  Each is at its endpoint after
       `probe_delay`, is answered at once, and back after another `probe_delay`.

    An answer may be used max(1, (1 + `delta`) / ((1 - m/n) `probes` - `removals`)) times, with *m*
    answers in a full pool and *n* endpoints.  Numbers that are not whole are rounded at random.

    Parameters
    ----------
    probes : float
        Probes for each request; 3 in the paper.
    pool : int
        Answers kept, at least 2; 16 in the paper.
    max_age : float
        Seconds after which an answer is no longer used; 1 in the paper.
    removals : float
        Answers removed for each request; 1 in the paper.
    quantile : float
        Of the RIFs; 2**-0.25, about 0.84, in the paper.  At 1 latency alone decides, at 0 nearly
        only RIF.
    delta : float
        How much more answers are used than come in; 1 in the paper.
    probe_delay : float
        Seconds that a probe is on the way to its endpoint, and again back.  Chosen here; in the
        paper a probe has at most 1 to 3 ms in all.

    Notes
    -----
    An endpoint tells what it knows about itself, when the probe arrives: the balancer sees nothing
    but these answers.  A pick costs O(`pool` + `probes`), whatever the number of endpoints.

    Where all endpoints are equal, the latencies that they tell differ by chance alone, and a lower
    `quantile` does better; the rule is made for endpoints that are slowed down by others.

    Chosen here, because the summaries leave it open: a pool holds one answer for an endpoint, and
    a newer one takes the place of the older (which the factor 1 - m/n suggests); a full pool lets
    its oldest go; an answer may be used without limit where the formula's denominator is not above
    0, as with fewer endpoints than `pool`; the age counts from when the answer is back; on a tie
    of latencies the lower RIF is taken and then the newest answer; the oldest goes first; how an
    endpoint makes up its latency and how the quantile is estimated
    (`mesh_lab.balancing.probes`).  A balancer with a single endpoint does not probe.  A probe to
    an endpoint that has left the pool meanwhile is lost.  No more than 1024 probes for each
    balancer are on the way at once; further ones are not sent.  Left out: probes while there are
    no requests, and what is done about endpoints that answer errors quickly.

    Examples
    --------
    >>> Prequal(probes=2.5)
    Prequal(probes=2.5)
    """

    sees: ClassVar[str] = "answers of probes: requests in flight and latency, as the endpoint tells"
    cost: ClassVar[str] = "O(pool)"
    origin: ClassVar[str] = "Prequal (NSDI 2024)"
    oracle: ClassVar[bool] = True  # the endpoints' answers are made from there and left
    probes: Annotated[float, Gt(0), Le(16)] = 3.0
    pool: Annotated[int, Ge(2), Le(1024)] = 16
    max_age: Positive = 1.0
    removals: NonNegative = 1.0
    quantile: Probability = 2**-0.25
    delta: NonNegative = 1.0
    probe_delay: NonNegative = 0.0005

    @property
    def draws(self) -> int:
        """Three, and two for each probe."""
        return 3 + 2 * math.ceil(self.probes)

    def uses(self, endpoints: int) -> float:
        """Return how often an answer may be used among so many endpoints, on average.

        Examples
        --------
        >>> Prequal().uses(64)  # 2 / (0.75 * 3 - 1)
        1.6
        >>> Prequal().uses(16)
        inf
        """
        supply = (1.0 - self.pool / endpoints) * self.probes - self.removals if endpoints else 0.0
        return max(1.0, (1.0 + self.delta) / supply) if supply > 0.0 else math.inf

    def state(
        self,
        pools: Sequence[Pool],
        view: View,
        make: Make,
        *,
        old: Rule | None = None,
        now: float = 0.0,
    ) -> Rule:
        """Return the state; answers, probes on the way and endpoints' memory are carried over."""
        stride, count, room = view.stride, len(pools), self.pool
        answers = _Answers(count, room, len(view.outstanding))
        if isinstance(old, Probes):
            answers.take_over(old, view)
        deck = [0] * (count * stride)
        for g, pool in enumerate(pools):
            deck[g * stride : g * stride + len(pool.endpoints)] = pool.endpoints
        balancers = len(view.outstanding) // max(stride, 1)
        slots, spread = ON_THE_WAY * balancers, (RIF_LIMIT + 1) * balancers

        def ints(field: str, first: Iterable[int]) -> Ints:
            return make.ints(getattr(old, field) if isinstance(old, Probes) else first)

        def floats(field: str, size: int) -> Floats:
            return make.floats(getattr(old, field) if isinstance(old, Probes) else [0.0] * size)

        return Probes(
            whose=make.ints([pool.balancer for pool in pools]),
            filled=make.ints(answers.filled),
            worst_next=make.ints([0] * count),
            host=make.ints(answers.host),
            rif=make.ints(answers.rif),
            order=make.ints(answers.order),
            uses=make.ints(answers.uses),
            latency=make.floats(answers.latency),
            born=make.floats(answers.born),
            entry=make.ints(answers.entry),
            deck=make.ints(deck),
            reuse=make.floats([min(self.uses(len(p.endpoints)), UNLIMITED) for p in pools]),
            answers=ints("answers", [0]),
            probe_from=ints("probe_from", [0] * slots),
            probe_to=ints("probe_to", [0] * slots),
            probe_uses=ints("probe_uses", [0] * slots),
            probe_rif=ints("probe_rif", [0] * slots),
            probe_latency=floats("probe_latency", slots),
            free=ints("free", range(slots)),
            free_count=ints("free_count", [slots]),
            window=ints("window", [0] * (RIF_WINDOW * balancers)),
            window_next=ints("window_next", [0] * balancers),
            window_count=ints("window_count", [0] * balancers),
            spread=ints("spread", [0] * spread),
            at_most=ints("at_most", [0] * balancers),
            threshold=ints("threshold", [0] * balancers),
            stays=floats("stays", stride * BUCKETS * LATEST),
            stay_count=ints("stay_count", [0] * (stride * BUCKETS)),
            medians=floats("medians", stride * BUCKETS),
            scratch=make.floats([0.0] * LATEST),
            room=room,
            probes=self.probes,
            removals=self.removals,
            max_age=self.max_age,
            probe_delay=self.probe_delay,
            quantile=self.quantile,
        )


class _Answers:
    """The pools of answers while they are made."""

    def __init__(self, pools: int, room: int, entries: int) -> None:
        size = pools * room
        self.room = room
        self.filled, self.entry = [0] * pools, [-1] * entries
        self.host, self.rif, self.order, self.uses = ([0] * size for _ in range(4))
        self.latency, self.born = [0.0] * size, [0.0] * size

    def take_over(self, old: Probes, view: View) -> None:
        """Keep the answers of endpoints that are still in a pool of the same balancer.

        They may have moved to another of its pools; where pools became one, the newest stay.
        """
        held = [
            (int(old.order[at]), int(p), int(old.host[at]), at)
            for g, p in enumerate(old.whose)
            for at in range(g * old.room, g * old.room + int(old.filled[g]))
        ]
        for order, p, e, at in sorted(held, reverse=True):
            g = int(view.pool[p * view.stride + e])
            if g < 0 or self.filled[g] == self.room:
                continue
            j = self.filled[g]
            here = g * self.room + j
            self.filled[g], self.entry[p * view.stride + e] = j + 1, j
            self.host[here], self.order[here], self.rif[here] = e, order, int(old.rif[at])
            self.uses[here] = int(old.uses[at])
            self.latency[here], self.born[here] = float(old.latency[at]), float(old.born[at])
