"""The queue as a part: its order, its room, and how long one may wait in it."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge

from ..parts import Name, Positive, field, part
from .discipline import Discipline
from .line import Overflow

__all__ = ["Queue", "WaitingFields"]


@part
class WaitingFields:
    """The fields of everything where requests wait."""

    discipline: Discipline = "fifo"
    capacity: Annotated[int, Ge(0)] | None = None
    overflow: Overflow = "reject"
    ttl: Positive | None = None

    def __post_init__(self) -> None:
        if self.overflow != "reject" and self.capacity is None:
            raise ValueError(
                f"overflow is {self.overflow!r}, but without a capacity nothing overflows; "
                "give a capacity, or leave overflow out"
            )
        if self.discipline == "ps":
            if self.ttl is not None:
                raise ValueError("ttl has no meaning with discipline 'ps', where nobody waits")
            if self.overflow == "drop_oldest":
                raise ValueError(
                    "overflow 'drop_oldest' has no meaning with discipline 'ps', where nobody "
                    "waits; allowed are 'reject' and 'block'"
                )


@part
class Queue(WaitingFields):
    """A queue that handlers take requests from.

    Parameters
    ----------
    name : str
        Its name in the scenario.
    discipline : str
        Who is next: ``"fifo"``, ``"lifo"``, ``"random"``, ``"priority"``, ``"preemptive"``,
        ``"sjf"`` (least work first), ``"edf"`` (earliest deadline first), or ``"ps"`` (processor
        sharing: nobody waits, everybody is served at a share of the speed).
    capacity : int, optional
        How many may wait, besides those that are being served; no limit by default.  With
        ``"ps"`` and ``"preemptive"`` the limit is on both together, workers + capacity.
    overflow : str
        What happens when it is full: ``"reject"`` the new one, ``"drop_oldest"`` of the waiting,
        or ``"block"`` whoever brings it until there is room (back-pressure).
    ttl : float, optional
        Seconds after which a request that was never started leaves as ``expired``.

    Examples
    --------
    >>> Queue("inbox", capacity=100, overflow="block")
    Queue('inbox', capacity=100, overflow='block')
    """

    name: Name = field(kw_only=False)
