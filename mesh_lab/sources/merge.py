"""Several sources as one: their arrivals, merged in the order of time, go to one destination."""

from __future__ import annotations

import dataclasses

from ..parts import part
from .base import OpenSource, Source

__all__ = ["Merge"]


@part
class Merge(Source):
    """Several open sources with one destination.

    Every source keeps its name and its own draws, so the merged stream is the superposition of
    what each would have sent alone.  Destination, priority and deadline of `Merge` replace those
    of its sources.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    key : Keys, optional
        Of all requests; without it every source has its own.
    sources : tuple of sources
        At least one open source; their own ``to`` is not used.

    Examples
    --------
    >>> from mesh_lab import Poisson
    >>> both = Merge("all", sources=(Poisson("web", rate=9.0, to="-"),
    ...                              Poisson("app", rate=1.0, to="-")), to="orders")
    >>> [(s.name, s.to) for s in both.merged()]
    [('web', 'orders'), ('app', 'orders')]
    """

    sources: tuple[OpenSource, ...]

    def __post_init__(self) -> None:
        Source.__post_init__(self)
        if not self.sources:
            raise ValueError("sources is empty; give at least one open source")

    def merged(self) -> tuple[OpenSource, ...]:
        """Return the sources, with the destination and urgency of the merged stream."""
        return tuple(
            dataclasses.replace(
                source,
                to=self.to,
                priority=self.priority,
                deadline=self.deadline,
                key=source.key if self.key is None else self.key,
                subject=source.subject if self.subject is None else self.subject,
            )
            for source in self.sources
        )
