"""Retry budgets that are declared: Envoy's, Finagle's, gRPC's, and a fixed limit.

What they do is in `mesh_lab.resilience.budget`.  All of them bound retries by what a *proxy*
sees: a service that is called by many proxies, each of them with little load, meets the floor of
each (`EnvoyRetryBudget.min_retry_concurrency`, `FinagleRetryBudget.min_retries_per_second`).
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from ..balancing.rule import Make
from ..errors import PartError
from ..parts import part
from .budget import DEPOSITS, LIMIT, SHARE, SLICES, TOKENS, Budgets
from .limits import AtMost

__all__ = [
    "EnvoyRetryBudget",
    "FinagleRetryBudget",
    "GrpcRetryThrottle",
    "RetryBudget",
    "RetryLimit",
]


@part
class RetryBudget:
    """The base of the budgets that can be declared."""

    def state(self, proxies: int, make: Make, *, now: float = 0.0) -> Budgets:
        """Return the budgets of so many proxies, from `now` on."""
        raise NotImplementedError


def _budgets(
    proxies: int,
    make: Make,
    now: float,
    kind: int,
    *,
    at_most: int = 0,
    percent: float = 0.0,
    deposit: int = 0,
    withdrawal: int = 1,
    reserve: int = 0,
    slice_ms: int = 1,
    full: int = 0,
    gain: int = 0,
) -> Budgets:
    zeros = [0] * proxies
    return Budgets(
        kind=kind,
        at_most=at_most,
        percent=percent,
        deposit=deposit,
        withdrawal=withdrawal,
        reserve=reserve,
        slice_ms=slice_ms,
        full=full,
        gain=gain,
        retries=make.ints(zeros),
        tokens=make.ints([full] * proxies),
        began=make.ints([int(now * 1000.0 + 1e-6)] * proxies),
        place=make.ints(zeros),
        current=make.ints(zeros),
        past=make.ints(zeros * SLICES),
    )


@part
class RetryLimit(RetryBudget):
    """At most so many retries of a proxy at a time: Envoy's ``max_retries``.

    Parameters
    ----------
    max_retries : int
        3 in Envoy where nothing is configured; Istio configures 2**32 - 1.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> from mesh_lab.resilience.budget import may_retry, retry_ended
    >>> s = RetryLimit(max_retries=1).state(1, Lists())
    >>> may_retry(s, 0, 0.0, 10, 0), may_retry(s, 0, 0.0, 10, 0)
    (1, 0)
    >>> retry_ended(s, 0)
    >>> may_retry(s, 0, 0.0, 10, 0)
    1
    """

    max_retries: AtMost = 3

    def state(self, proxies: int, make: Make, *, now: float = 0.0) -> Budgets:
        """Return the budgets of so many proxies."""
        return _budgets(proxies, make, now, LIMIT, at_most=self.max_retries)


@part
class EnvoyRetryBudget(RetryBudget):
    """At most a share of the requests that are under way may be retries: Envoy's ``retry_budget``.

    A retry is made while fewer are under way than `budget_percent` of the active and pending
    requests, cut off to a whole number, or than `min_retry_concurrency` if that is more
    (``resource_manager_impl.h``).  It takes the place of `Limits.max_retries`.

    Parameters
    ----------
    budget_percent : float
        Of active and pending requests, retries included.
    min_retry_concurrency : int
        So many are allowed whatever the load.

    Examples
    --------
    20 % of 29 are 5:

    >>> from mesh_lab.balancing.rule import Lists
    >>> from mesh_lab.resilience.budget import may_retry
    >>> s = EnvoyRetryBudget().state(1, Lists())
    >>> [may_retry(s, 0, 0.0, 24, 5) for _ in range(6)]
    [1, 1, 1, 1, 1, 0]
    """

    budget_percent: Annotated[float, Ge(0), Le(100)] = 20.0
    min_retry_concurrency: AtMost = 3

    def state(self, proxies: int, make: Make, *, now: float = 0.0) -> Budgets:
        """Return the budgets of so many proxies."""
        least, percent = self.min_retry_concurrency, self.budget_percent
        return _budgets(proxies, make, now, SHARE, at_most=least, percent=percent)


@part
class FinagleRetryBudget(RetryBudget):
    """Requests deposit, retries withdraw, deposits expire: Finagle's ``RetryBudget``.

    With its defaults, a request deposits 1000 and a retry withdraws 1000 / 0.2 = 5000, from
    deposits of the last 10 s or so and a reserve of 10 retries a second over that time.  What is
    taken from the reserve comes back after that time as well.  Linkerd's older ``ServiceProfile``
    has the same rule and numbers (recalled, not checked).

    Parameters
    ----------
    ttl : float
        Seconds that a deposit lives, 1 to 60; in ten slices (``TokenBucket.newLeakyBucket``).
    min_retries_per_second : int
        The reserve, over whole seconds of `ttl`.
    percent_can_retry : float
        How many retries a request allows, as a fraction: 0.2 are 20 %.  Finagle allows up to 1000;
        here more than 1, a budget above 100 %, is an error.  0 leaves the reserve only.

    Examples
    --------
    Without a reserve, five requests allow one retry:

    >>> from mesh_lab.balancing.rule import Lists
    >>> from mesh_lab.resilience.budget import may_retry, sent
    >>> s = FinagleRetryBudget(min_retries_per_second=0).state(1, Lists())
    >>> for _ in range(5):
    ...     sent(s, 0, 1.0)
    >>> may_retry(s, 0, 2.0, 0, 0), may_retry(s, 0, 2.0, 0, 0)
    (1, 0)
    """

    ttl: Annotated[float, Ge(1), Le(60)] = 10.0
    min_retries_per_second: Annotated[int, Ge(0), Le(1_000_000)] = 10
    percent_can_retry: Annotated[float, Ge(0), Le(1)] = 0.2

    def __post_init__(self) -> None:
        if 0.0 < self.percent_can_retry < 0.001:  # a withdrawal would have too many digits
            raise PartError(
                "",
                "percent_can_retry",
                f"is {self.percent_can_retry!r}, but must be 0, or from 0.001 to 1",
            )

    def state(self, proxies: int, make: Make, *, now: float = 0.0) -> Budgets:
        """Return the budgets of so many proxies, without deposits."""
        none = self.percent_can_retry == 0.0
        withdrawal = 1 if none else int(1000.0 / self.percent_can_retry)
        return _budgets(
            proxies,
            make,
            now,
            DEPOSITS,
            deposit=0 if none else 1000,
            withdrawal=withdrawal,
            reserve=self.min_retries_per_second * int(self.ttl) * withdrawal,
            slice_ms=int(self.ttl * 1000.0 + 1e-6) // (SLICES + 1),
        )


@part
class GrpcRetryThrottle(RetryBudget):
    """Failures take tokens, successes bring some back: gRPC's ``retryThrottling`` (proposal A6).

    The count begins at `max_tokens`.  Each attempt that fails takes 1, each that succeeds adds
    `token_ratio`, within 0 and `max_tokens`.  While the count is not above half of `max_tokens`,
    nothing is retried.  Which failures are worth a retry is for the retry policy to say; here every
    failure takes a token, where gRPC looks at the codes of its policy.

    Parameters
    ----------
    max_tokens, token_ratio : float
        Three decimals count; gRPC has no defaults.

    Examples
    --------
    >>> from mesh_lab.balancing.rule import Lists
    >>> from mesh_lab.resilience.budget import may_retry, responded
    >>> from mesh_lab.resilience.seen import SEEN_ERROR
    >>> s = GrpcRetryThrottle(max_tokens=4.0, token_ratio=0.1).state(1, Lists())
    >>> allowed = []
    >>> for _ in range(3):
    ...     responded(s, 0, SEEN_ERROR)
    ...     allowed.append(may_retry(s, 0, 0.0, 0, 0))
    >>> allowed
    [1, 0, 0]
    """

    max_tokens: Annotated[float, Ge(0.001), Le(1000)]
    token_ratio: Annotated[float, Ge(0.001), Le(1000)]

    def state(self, proxies: int, make: Make, *, now: float = 0.0) -> Budgets:
        """Return the budgets of so many proxies, which have all their tokens."""
        full, gain = (int(x * 1000.0 + 1e-6) for x in (self.max_tokens, self.token_ratio))
        return _budgets(proxies, make, now, TOKENS, full=full, gain=gain)
