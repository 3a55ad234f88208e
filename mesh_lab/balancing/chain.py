"""A chain of rules, each of which matches at random: how kube-proxy balances with iptables.

For *n* endpoints there are *n* rules.  Rule *i*, counted from 0, matches with probability
1 / (n - i), and the last one always; the endpoint of the first rule that matches gets the
connection, so that all are equally likely, up to rounding.  The rounding is part of the rule:
kube-proxy prints the probability with ten decimals (``computeProbability`` in
``pkg/proxy/iptables/proxier.go``), and iptables turns it into a whole number of 2**31sts
(``libxt_statistic.c``), with which the kernel compares 31 random bits (``xt_statistic.c``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from ..parts import part
from .rule import Balancer, Floats, Make, Pool, Rule, View, kernel, kernels

__all__ = ["IptablesChain", "chances", "shares_up_to"]


def chances(n: int) -> list[float]:
    """Return with which probability each of `n` rules matches when its turn comes.

    Examples
    --------
    >>> [round(chance, 10) for chance in chances(3)]
    [0.3333333335, 0.5, 1.0]
    """
    printed = [float(f"{1.0 / (n - i):0.10f}") for i in range(n - 1)]
    return [math.floor(2**31 * chance + 0.5) / 2**31 for chance in printed] + [1.0]


def shares_up_to(n: int) -> list[float]:
    """Return how likely one of the first 1, 2, ..., `n` of the endpoints is picked.

    Examples
    --------
    >>> [round(share, 10) for share in shares_up_to(4)]
    [0.25, 0.5000000001, 0.7500000001, 1.0]
    """
    reached, shares = 1.0, []
    for chance in chances(n):
        reached *= 1.0 - chance
        shares.append(1.0 - reached)
    return shares


@kernel
def pick_in_chain(s: Chains, v: View, g: int, u: Floats, now: float, key: int) -> int:
    """Find the first endpoint with a larger share up to it than the draw.

    The shares are nearly those of equal parts, so the search begins there and ends at once.
    """
    base = g * v.stride
    place = int(u[0] * v.size[g])
    while s.shares[base + place] <= u[0]:
        place += 1
    while place > 0 and s.shares[base + place - 1] > u[0]:
        place -= 1
    return v.hosts[base + place]  # type: ignore[no-any-return]


@kernels(pick=pick_in_chain, blind=True)
class Chains(NamedTuple):
    """How likely the endpoints up to each place are; ``g * stride + j`` for pool *g*, place *j*."""

    shares: Floats


@part
class IptablesChain(Balancer):
    """The first of a chain of rules that matches at random; kube-proxy with iptables.

    Weights are not looked at.  The kernel draws once for each rule that it comes to; here one
    uniform draw decides, compared with the cumulated probabilities of the chain, which gives each
    endpoint the same probability (to the last bits of a float).  The kernel's cost grows with the
    number of endpoints, this one does not.

    kube-proxy balances connections, not requests: a client that keeps a connection stays with its
    endpoint.  Declared here, the rule is asked for every request.

    Examples
    --------
    >>> IptablesChain()
    IptablesChain()
    """

    cost: ClassVar[str] = "O(1); O(n) in the kernel"
    origin: ClassVar[str] = "kube-proxy iptables"

    @property
    def draws(self) -> int:
        """One."""
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
        """Return the rule for as many endpoints as there are."""
        shares = [0.0] * (view.stride * len(pools))
        known: dict[int, list[float]] = {}
        for g, pool in enumerate(pools):
            n = len(pool.endpoints)
            if n not in known:
                known[n] = shares_up_to(n) if n else []
            shares[g * view.stride : g * view.stride + n] = known[n]
        return Chains(make.floats(shares))
