"""What a rule that limits or sheds load is: a state of arrays, and functions that keep it up.

The form is that of balancing rules (`mesh_lab.balancing.rule`): a declared part makes a state, a
`typing.NamedTuple` of numbers and arrays, and the state's class names its *kernels*, module-level
functions that use nothing but arithmetic, comparisons, indexing and `math.sqrt`, `math.pow`.  They
run on lists in the reference engine and compiled, on arrays, in the other.

=======================================  ==========================================================
``admits(s, p, now, u, priority)``       a request comes to place `p`; 1: it is let in, and counted;
                                         0: it is refused; `u` is a uniform draw of the request, its
                                         `priority` is 0 for the most important
``hold(s, p)``                           the seconds for which the request that was let in last is
                                         to be held back before it goes on
``began(s, p, now, waited)``             its service would start, after `waited` seconds; 1: it is
                                         dropped instead, and this rule counts it no longer
``ended(s, p, now, latency, ok)``        it was answered `latency` seconds after it was let in; `ok`
                                         is 1, or 0 where it failed or was refused further on
``gone(s, p, now, begun)``               it left without an answer: whoever waited for it gave up,
                                         or another rule refused or dropped it; `begun` is 1 if
                                         ``began`` was called for it, else 0
=======================================  ==========================================================

A *place* is a proxy, or an endpoint: whatever has a limit of its own.  A kernel that a state does
not name does nothing: ``admits`` lets in, ``hold`` is 0, ``began`` does not drop.  A request that
was let in, and was not dropped by ``began``, ends in exactly one ``ended`` or ``gone``.  Time never
runs backwards.  No rule needs a timer: what a proxy does at a certain time, a rule catches up with
at the next call, in order, and what is due at this very moment has happened before.

Proxies count time in whole nanoseconds, here it is in seconds and binary: a tenth three times is
not three tenths.  So times are compared to the nanosecond (`NANOSECOND`): what is due is due up to
a nanosecond early.  Nothing is added up from such comparisons, so that this never grows.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from annotated_types import Ge, Gt, Le

from ..balancing.rule import Arrays, Floats, Ints, Lists, Make, kernel, kernels
from ..parts import part

__all__ = [
    "NANOSECOND",
    "Arrays",
    "Floats",
    "Ints",
    "Lists",
    "Make",
    "Rate",
    "Shedder",
    "Span",
    "State",
    "kernel",
    "kernels",
]

State = Any  # a named tuple whose class names its kernels

NANOSECOND = 1e-9

# what a nanosecond is little of: above, a comparison to the nanosecond would be a rough one
Span = Annotated[float, Ge(1e-6), Le(1e9)]  # seconds
Rate = Annotated[float, Gt(0), Le(1e7)]  # requests a second


@part
class Shedder:
    """The base of every rule that can be declared to limit or shed load.

    A subclass says what its rule looks at and where it comes from, and makes the state; see
    `mesh_lab.shedding.rule`.
    """

    such_as: ClassVar[str] = "TokenBucket(rate=100.0, burst=10)"  # an error gives it as an example
    sees: ClassVar[str] = "nothing"  # what the rule looks at
    origin: ClassVar[str] = ""  # where the rule comes from

    def state(self, places: int, make: Make, *, now: float = 0.0) -> State:
        """Return the rule's state for so many places, at `now`.

        Parameters
        ----------
        places : int
            How many proxies, or endpoints, each with a limit of its own; numbered from 0.
        make : Make
            Makes the arrays: ``Lists()`` or ``Arrays()``.
        now : float
            Seconds; when the rule comes into force.
        """
        raise NotImplementedError
