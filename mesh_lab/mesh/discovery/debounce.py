"""Debouncing: many changes in a row become one push.

istiod's rule (``debounce`` in ``pilot/pkg/xds/discovery.go``): the first change starts a timer of
`after`.  When it rings, a push is due if nothing came for `after`, or if the first change was
`longest` ago; else the timer is set to `after` behind the last change.  So the limit is looked at
only when the timer rings, and a push comes at most `longest` + `after` behind the first change.
The defaults are 100 ms (``PILOT_DEBOUNCE_AFTER``) and 10 s (``PILOT_DEBOUNCE_MAX``).
"""

from __future__ import annotations

__all__ = ["Debounce"]


class Debounce:
    """The state of the rule; times in seconds.

    Examples
    --------
    >>> debounce = Debounce(after=0.5, longest=10.0)
    >>> debounce.came(1.0), debounce.came(1.25)
    (1.5, None)
    >>> debounce.rang(1.5), debounce.rang(1.75)
    (1.75, None)
    """

    __slots__ = ("_after", "_first", "_last", "_longest")

    def __init__(self, after: float, longest: float) -> None:
        self._after = after
        self._longest = longest
        self._first: float | None = None
        self._last = 0.0

    def came(self, now: float) -> float | None:
        """Take in a change; return when to set the timer, or None if it is set already."""
        self._last = now
        if self._first is not None:
            return None
        self._first = now
        return now + self._after

    def rang(self, now: float) -> float | None:
        """Return when to set the timer again, or None: a push is due now, of all that came."""
        assert self._first is not None  # else there is no timer
        # the timer's own sum, so that rounding cannot make "quiet for so long" come out false
        if now >= self._last + self._after or now >= self._first + self._longest:
            self._first = None
            return None
        return self._last + self._after

    def forget(self) -> None:
        """Drop what came: the process that knew of it has ended."""
        self._first = None
