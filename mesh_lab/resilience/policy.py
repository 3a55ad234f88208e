"""The policy of a call: its timeouts, its retries, its hedges.

A *call* is what a caller wants of a service; an *attempt* is one request sent for it.  The rules
are those of Envoy's router (``router.cc``, ``retry_state_impl.cc``) and of gRPC's proposals A6
(retries, hedging); where they differ, the part says which one it follows.

1. A call has `timeout` seconds for everything: attempts and the pauses between them.  When they are
   over it ends as ``timeout``.
2. An attempt has `per_try_timeout` seconds, or what is left of `timeout`.  When they are over the
   caller leaves: it closes its stream, the attempt no longer counts as outstanding, its result is
   ``timeout``, and the next attempt may follow.  Both times begin when the caller sends, and so
   cover the way there, the waiting in the callee's line, the work and the way back.
3. An attempt with a result in `Retries.on` is followed by another, after a pause, as long as fewer
   than `Retries.times` have followed the first.  A pause that would not end before the call's time
   is over is spent waiting for that end.
4. A hedge is an attempt that does not wait for the one before it to fail: the first good result
   wins, and the others are cancelled.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from ..parts import Seconds, SomeSeconds, field, part

__all__ = ["FAILURES", "Failure", "Hedge", "Policy", "Retries"]

Failure = Literal[
    "rejected",
    "dropped",
    "expired",
    "failed",
    "crashed",
    "unavailable",
    "timeout",
    "overflow",
    "open",
    "limited",
    "shed",
]
# what an attempt may end as that another attempt might mend, and Envoy's ``5xx`` covers.  Not
# `overflow`, `open` and `limited`: what a proxy refuses by its own rules it does not try again
# (Envoy: retry_state_impl.cc)
FAILURES: tuple[Failure, ...] = (
    "rejected",
    "dropped",
    "expired",
    "failed",
    "crashed",
    "unavailable",
    "timeout",
    "shed",
)
MOST_TRIES = 1000


@part
class Retries:
    """When a failed attempt is followed by another.

    Parameters
    ----------
    times : int
        How many attempts may follow the first (Envoy's ``num_retries``; gRPC's ``maxAttempts``
        counts the first, too).
    on : tuple of str
        After which results; by default after every failure but ``overflow``, ``open`` and
        ``limited``.
    backoff : Backoff, EnvoyBackoff or GrpcBackoff, optional
        The pause before each; without one, the next attempt is sent at once.

    Examples
    --------
    >>> Retries(2, on=("unavailable", "timeout"))
    Retries(2, on=('unavailable', 'timeout'))
    """

    times: Annotated[int, Ge(0), Le(MOST_TRIES)] = field(kw_only=False)
    on: tuple[Failure, ...] = FAILURES
    backoff: Any = None

    def __post_init__(self) -> None:
        if self.backoff is not None and not callable(getattr(self.backoff, "pause", None)):
            raise ValueError(
                f"backoff is {self.backoff!r}, but must be a rule for pauses, such as "
                "Backoff(base=0.025, cap=0.25, jitter='full')"
            )


@part
class Hedge:
    """Send another attempt without waiting for the one before; the first good result wins.

    Parameters
    ----------
    delay : float
        Seconds between an attempt and the next one, as long as there is no good result.  As in
        gRPC (A6), a result that may be tried again sends the next one at once.
    times : int
        How many attempts may follow the first.
    on : tuple of str
        After which results the others go on; any other ends the call.

    Examples
    --------
    >>> Hedge(delay=0.050)
    Hedge(delay=0.05)
    """

    delay: Seconds
    times: Annotated[int, Ge(1), Le(MOST_TRIES)] = 1
    on: tuple[Failure, ...] = FAILURES


@part
class Policy:
    """How long a call may take, and how often it is tried.

    Parameters
    ----------
    timeout : float, optional
        Seconds for the whole call, retries and pauses included (Envoy's route timeout, gRPC's
        deadline); without one, it waits for ever.
    per_try_timeout : float, optional
        Seconds for each attempt.
    retries : Retries, optional
        Without them there is one attempt.
    hedge : Hedge, optional
        Instead of `retries`.
    propagate : bool
        Whether the end of the attempt's time goes with the request, as its deadline (gRPC): then
        calls that the callee makes for it end by then too.  Without it, the callee knows nothing of
        the caller's time.

    Examples
    --------
    >>> Policy(timeout=1.0, retries=Retries(2))
    Policy(timeout=1.0, retries=Retries(2))
    """

    timeout: SomeSeconds | None = None
    per_try_timeout: SomeSeconds | None = None
    retries: Retries | None = None
    hedge: Hedge | None = None
    propagate: bool = False

    def __post_init__(self) -> None:
        if self.retries is not None and self.hedge is not None:
            raise ValueError(
                "retries and hedge cannot go together: both say when the next attempt is sent; "
                "give one of them (a hedge has times= and on= of its own)"
            )
        limit, each = self.timeout, self.per_try_timeout
        if limit is not None and each is not None and each > limit:
            raise ValueError(
                f"per_try_timeout is {each!r}, but must be timeout, {limit!r}, at most: no attempt "
                "can take longer than the whole call"
            )
        if self.propagate and limit is None and each is None:
            raise ValueError("propagate=True needs a timeout or a per_try_timeout to go along")
