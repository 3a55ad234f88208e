"""Faults that are put in on purpose, as Envoy's fault filter does: delays and aborts.

A caller's proxy decides for each attempt, by two independent draws, whether it is held back before
anything else happens to it, and whether it then ends at once instead of being sent.  Here the
caller's policy is in force meanwhile: its timeouts cover the delay, and an abort may be tried
again.  In Envoy the filter stands before the router, once for each request, so that neither is so.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from ..distributions import Distribution
from ..errors import PartError
from ..parts import Probability, part

__all__ = ["Faults"]


@part
class Faults:
    """Which attempts are held back, and which end as ``failed``, on purpose.

    Parameters
    ----------
    abort : float
        The probability that an attempt is not sent, and ends as ``failed``.
    delay : float, Distribution or None
        Seconds for which an attempt is held back.
    delayed : float
        The probability of that.

    Examples
    --------
    >>> Faults(abort=0.01, delay=0.5, delayed=0.1)
    Faults(abort=0.01, delay=0.5, delayed=0.1)
    """

    abort: Probability = 0.0
    delay: Annotated[float, Ge(0), Le(1e100)] | Distribution | None = None
    delayed: Probability = 1.0

    def __post_init__(self) -> None:
        if self.delay is None and self.abort == 0.0:
            problem = "is 0.0, and neither abort nor delay is given, so nothing would go wrong"
            raise PartError("Faults", "abort", problem)
