"""Real-time sources: arrivals that come by themselves.

``Poisson``         independent of one another: exponential gaps
``Renewal``         gaps from any distribution
``PoissonBatches``  several at once
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from annotated_types import Ge

from ..distributions import Distribution, Exponential
from ..draws import Column, Draws
from ..parts import Count, Positive, Probability, part
from .base import OpenSource, pick_by

__all__ = ["Poisson", "PoissonBatches", "Renewal"]


@part
class Poisson(OpenSource):
    """Arrivals independent of one another, at a constant rate.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    rate : float
        Requests per second.
    to : str or dict
        Where requests go: a part, or ``{part: probability}``.
    priority : int or dict
        The class of its requests, 0 the most urgent; or ``{class: probability}``.
    deadline : float or Distribution, optional
        Seconds after arrival by which a request should be done; orders the discipline ``"edf"``.
    key : Keys, optional
        What its requests are about: for balancers that hash, and for order by key.
    subject : str or dict, optional
        The subject of the events that it publishes, by which a topic's subscribers choose, or
        ``{subject: probability}``; its name by default.

    Examples
    --------
    >>> Poisson("shop", rate=350.0, to="orders")
    Poisson('shop', to='orders', rate=350.0)
    """

    rate: Positive

    def gap_column(self, draws: Draws) -> Column:
        """Return the exponential gaps."""
        return draws.column(Exponential(mean=1.0 / self.rate), self.name, "gap", self.name)

    def long_run_rate(self) -> float:
        """Return the requests per second."""
        return self.rate


@part
class Renewal(OpenSource):
    """Arrivals whose gaps are independent draws from one distribution.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    gap : Distribution
        Seconds between one arrival and the next.

    Examples
    --------
    >>> from mesh_lab import Deterministic
    >>> Renewal("sensor", gap=Deterministic(value=0.5), to="inbox")
    Renewal('sensor', to='inbox', gap=Deterministic(value=0.5))
    """

    gap: Distribution

    def __post_init__(self) -> None:
        OpenSource.__post_init__(self)
        if self.gap.mean <= 0.0:
            raise ValueError(f"gap is {self.gap!r}, whose mean is 0: it would never let time pass")

    def gap_column(self, draws: Draws) -> Column:
        """Return the gaps."""
        return draws.column(self.gap, self.name, "gap", self.name)

    def long_run_rate(self) -> float:
        """Return the requests per second."""
        return 1.0 / self.gap.mean


@part
class PoissonBatches(OpenSource):
    """Batches that arrive independently of one another, each of several requests at once.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    rate : float
        Batches per second.
    size : int or dict
        Requests in a batch; or ``{size: probability}``.

    Examples
    --------
    >>> PoissonBatches("nightly", rate=0.1, size={1: 0.5, 10: 0.5}, to="inbox").long_run_rate()
    0.55
    """

    rate: Positive
    size: Count | dict[Annotated[int, Ge(1)], Probability]

    def __post_init__(self) -> None:
        OpenSource.__post_init__(self)
        if isinstance(self.size, dict) and abs(sum(self.size.values()) - 1.0) > 1e-9:
            raise ValueError(
                f"size is {dict(self.size)!r}, whose probabilities add up to "
                f"{sum(self.size.values()):g}; they must add up to 1"
            )

    def gaps(self, draws: Draws) -> Iterator[float]:
        """Yield exponential gaps between batches."""
        return iter(draws.column(Exponential(mean=1.0 / self.rate), self.name, "gap", self.name))

    def sizes(self, draws: Draws) -> Iterator[int]:
        """Yield the sizes of the batches."""
        uniforms = draws.column("uniform", self.name, "batch", self.name)
        sizes = self.size if isinstance(self.size, dict) else {self.size: 1.0}
        choose = pick_by(list(sizes), list(sizes.values()))
        return (size for u in uniforms if (size := choose(u)) is not None)

    def long_run_rate(self) -> float:
        """Return the requests per second."""
        sizes = self.size if isinstance(self.size, dict) else {self.size: 1.0}
        return self.rate * sum(size * probability for size, probability in sizes.items())
