"""The endpoints of a service, and what becomes of them during a run.

An endpoint is one replica: a waiting line and its workers.  Endpoints are numbered in the order in
which they join, and no number is used twice.

==========  ====================================================================================
`Join`      a new endpoint is there, and on every balancer's list
`Drain`     it is off every list for good; what is there is finished
`Leave`     it is off every list for good; what is there ends as ``crashed``
`Fail`      it stays on the lists as unhealthy; what is there ends as ``crashed``, and what is sent
            there nevertheless ends as ``unavailable``
`Recover`   it is healthy again, with the speed that it was declared with
`Slow`      it works at another speed; read when a request is started
`Failures`  endpoints fail and recover at random
==========  ====================================================================================

Balancers are told at once.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from annotated_types import Ge, Le

from ..distributions import Distribution
from ..parts import Name, NonNegative, Positive, field, part

__all__ = ["Change", "Drain", "Endpoint", "Fail", "Failures", "Join", "Leave", "Recover", "Slow"]


@part
class Endpoint:
    """One endpoint of a service.

    Parameters
    ----------
    name : str
        Its address; hashing balancers know it by this.
    weight : float
        Its share of the traffic, beside the others', for balancers that look at weights; from 1e-9
        to 1e9, because sums and quotients of weights must be numbers.
    speed : float
        Seconds of work that it does in a second.
    zone : str
        Where it stands.
    priority : int
        0 is used first.

    Examples
    --------
    >>> Endpoint("10.0.0.7:80", speed=0.5)
    Endpoint('10.0.0.7:80', speed=0.5)
    """

    name: Name = field(kw_only=False)
    weight: Annotated[float, Ge(1e-9), Le(1e9)] = 1.0
    speed: Positive = 1.0
    zone: str = ""
    priority: int = 0

    def __post_init__(self) -> None:
        if self.priority < 0:
            raise ValueError(f"priority is {self.priority}, but must be 0 (used first) or more")


@part
class Change:
    """The base of what happens to an endpoint at a time."""

    such_as: ClassVar[str] = "Fail(at=10.0, endpoint='b')"
    at: NonNegative


@part
class Join(Change):
    """A new endpoint joins at `at` seconds.

    Examples
    --------
    >>> Join(at=30.0, endpoint=Endpoint("d"))
    Join(at=30.0, endpoint=Endpoint('d'))
    """

    endpoint: Endpoint


@part
class Leave(Change):
    """An endpoint is gone at `at` seconds; what is there ends as ``crashed``."""

    endpoint: Name


@part
class Drain(Change):
    """An endpoint gets no more requests from `at` seconds on, and finishes what it has."""

    endpoint: Name


@part
class Fail(Change):
    """An endpoint is down from `at` seconds on; what is there ends as ``crashed``."""

    endpoint: Name


@part
class Recover(Change):
    """An endpoint is up again at `at` seconds, with the speed that it was declared with."""

    endpoint: Name


@part
class Slow(Change):
    """An endpoint works at `speed` from `at` seconds on.

    Examples
    --------
    >>> Slow(at=10.0, endpoint="b", speed=0.5)
    Slow(at=10.0, endpoint='b', speed=0.5)
    """

    endpoint: Name
    speed: Positive


@part
class Failures:
    """Endpoints fail and recover at random, each by itself.

    Parameters
    ----------
    up, down : Distribution
        Seconds until an endpoint that is up fails, and until it recovers; both together 1e-9 at
        least in the mean, or there would be no end of failures at one moment.
    endpoints : tuple of str
        Which ones; all those of the beginning, if none is named.

    Examples
    --------
    >>> from mesh_lab import Exponential
    >>> Failures(up=Exponential(mean=60.0), down=Exponential(mean=5.0))
    Failures(up=Exponential(mean=60.0), down=Exponential(mean=5.0))
    """

    up: Distribution
    down: Distribution
    endpoints: tuple[Name, ...] = ()

    def __post_init__(self) -> None:
        if self.up.mean + self.down.mean < 1e-9:
            raise ValueError(
                f"up is {self.up!r} and down is {self.down!r}: an endpoint would fail and recover "
                "without end at one moment; their means must be 1e-9 s at least together"
            )
