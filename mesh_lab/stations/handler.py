"""The handler as a part: who does the work, how, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from ..distributions import Distribution
from ..parts import Count, Name, NonNegative, Probability, field, part
from .calls import Step

__all__ = ["Failing", "Handler", "To", "Work", "WorkingFields", "shares"]

To = str | dict[str, Probability] | None
# what takes how long: drawn from a distribution, or a user's function of (request, generator)
Work = Distribution | Callable[..., Any] | None


class Failing(float):
    """Seconds of work after which a request ends as ``failed``.

    A user's function for the work of a handler or a service returns it instead of seconds, where it
    is to say which requests fail, and not only how many (`failure`).  Of the request it may read
    what `mesh_lab.ledger.Request` allows, such as the endpoint and the attempt.

    Examples
    --------
    Endpoint 1 answers with an error for a while, quickly:

    >>> def work(request, rng):
    ...     if request.endpoint == 1 and 2.0 <= request.sent < 8.0:
    ...         return Failing(0.001)
    ...     return 0.050
    """


def shares(to: To) -> dict[str, float]:
    """Return where requests go next, and with which probabilities; the rest leaves."""
    if to is None:
        return {}
    return {to: 1.0} if isinstance(to, str) else dict(to)


@part
class WorkingFields:
    """The fields of everything that serves requests."""

    workers: Count = 1
    mode: Literal["sync", "async"] = "sync"
    io: Distribution | None = None
    concurrency: Count | None = None
    calls: tuple[Step, ...] = ()
    to: To = None
    failure: Probability = 0.0
    outages: tuple[tuple[NonNegative, NonNegative], ...] = ()

    def __post_init__(self) -> None:
        if self.mode == "sync" and self.concurrency is not None:
            raise ValueError(
                "concurrency belongs to mode='async'; a synchronous handler has as many requests "
                "in progress as it has workers"
            )
        if self.mode == "async" and self.io is None and not self.calls:
            raise ValueError(
                "mode='async' needs io=, the time a request waits without a worker, or calls="
            )
        if isinstance(self.to, dict):
            total = sum(self.to.values())
            if not self.to or total > 1 + 1e-9:
                raise ValueError(
                    f"to is {dict(self.to)!r}, whose probabilities add up to {total:g}; they may "
                    "add up to 1 at most, and what is missing to 1 leaves"
                )
        before = 0.0
        for start, end in self.outages:
            if not before <= start < end:
                raise ValueError(
                    f"outages is {self.outages!r}, but each must be (from, until) in seconds with "
                    "from < until, in order and without overlap"
                )
            before = end


@part
class Handler(WorkingFields):
    """A handler: workers that take requests from a queue and work on them.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    source : str
        The queue that it takes requests from.  Several handlers may share one.
    work : Distribution, callable or None
        Seconds of work a request; a function is called with the request and a NumPy generator of
        its own and returns them, as `Failing` if the request is to fail then; None when every
        request carries its own (a recorded trace).
    workers : int
        How many requests it works on at once.
    mode : str
        ``"sync"``: the worker is held for work, `io` and `calls`.  ``"async"``: it is held for the
        work only, and free while the request waits for the rest.
    io : Distribution, optional
        Seconds of waiting for I/O after the work.
    concurrency : int, optional
        With ``"async"``: how many requests may be in work, I/O or calls together.
    calls : tuple of str, Call or Parallel
        The services that are called for a request after its work (and its I/O), one after the
        other; see `mesh_lab.stations.calls`.
    to : str or dict, optional
        Where a finished request goes next: a part, or ``{part: probability}``, the rest leaves.
    failure : float
        The probability that a request ends as ``failed`` after its work.
    outages : tuple of (from, until)
        Seconds between which the handler is down.  What it had in its hands ends as ``crashed``;
        the queue keeps what waits.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Handler("worker", source="inbox", work=Exponential(mean=0.02), workers=2)
    Handler('worker', workers=2, source='inbox', work=Exponential(mean=0.02))
    """

    name: Name = field(kw_only=False)
    source: Name
    work: Work = None
