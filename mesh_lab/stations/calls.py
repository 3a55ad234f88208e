"""The calls that a service makes for a request: in sequence, in parallel, with probability.

A service does its own work first; then it makes its calls, one *step* after the other, and answers
when the last one has ended.  A step is one call, or several at once.  A call that fails for good
fails the request, and the steps that are left are not made; an `optional` one does not.

A synchronous worker is held while it waits for its calls, an asynchronous one is not.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..parts import Name, Probability, field, part
from ..resilience.policy import Policy

__all__ = ["Call", "Parallel", "Step", "all_calls", "steps_of"]


@part
class Call:
    """A call of a service.

    Parameters
    ----------
    service : str
        Who is called.
    probability : float
        How likely a request makes this call.
    optional : bool
        Whether the request goes on without it when it has failed.
    policy : Policy, optional
        Instead of the service's own.

    Examples
    --------
    >>> Call("stock", probability=0.3)
    Call('stock', probability=0.3)
    """

    service: Name = field(kw_only=False)
    probability: Probability = 1.0
    optional: bool = False
    policy: Policy | None = None


@part
class Parallel:
    """Several calls that are made at the same time; the step ends when all have ended.

    Parameters
    ----------
    calls : tuple of str or Call
        A name is short for the call of that service.

    Examples
    --------
    >>> Parallel(("users", Call("stock", optional=True)))
    Parallel(('users', Call('stock', optional=True)))
    """

    calls: tuple[Name | Call, ...] = field(kw_only=False)

    def __post_init__(self) -> None:
        if not self.calls:
            raise ValueError("calls is empty; name at least one service")


Step = Name | Call | Parallel


def steps_of(calls: tuple[Step, ...]) -> Iterator[list[Call]]:
    """Yield the calls of each step.

    Examples
    --------
    >>> list(steps_of(("auth", Parallel(("users", "stock")))))
    [[Call('auth')], [Call('users'), Call('stock')]]
    """
    for step in calls:
        several = step.calls if isinstance(step, Parallel) else (step,)
        yield [Call(call) if isinstance(call, str) else call for call in several]


def all_calls(calls: tuple[Step, ...]) -> Iterator[Call]:
    """Yield the calls of all steps, in order."""
    for step in steps_of(calls):
        yield from step
