"""What came and how it ended in the last seconds: counts in buckets.

As Envoy's admission control keeps it (``thread_local_controller.cc``): a bucket begins with the
first thing that happens when there is no bucket, or the newest began `width` or more ago; a bucket
that began `window` or more ago is forgotten, with all that is in it.  So what is counted goes back
by `window` seconds, less up to one width.
"""

from __future__ import annotations

from typing import Any

from ..errors import PartError
from .rule import NANOSECOND, Make, kernel

__all__ = ["MOST_BUCKETS", "check_width", "make_buckets", "note", "turn_buckets"]

MOST_BUCKETS = 100_000


@kernel
def turn_buckets(s: Any, p: int, now: float) -> None:
    """Forget what is too old, and begin a bucket if it is time for one."""
    row = p * s.room
    while s.used[p] > 0:
        oldest = row + s.oldest[p]
        if now - s.since[oldest] + NANOSECOND < s.window:
            break
        s.all_tried[p] -= s.tried[oldest]
        s.all_good[p] -= s.good[oldest]
        s.oldest[p] = s.oldest[p] + 1 if s.oldest[p] + 1 < s.room else 0
        s.used[p] -= 1
    newest = row + (s.oldest[p] + s.used[p] + s.room - 1) % s.room
    if s.used[p] == 0 or now - s.since[newest] + NANOSECOND >= s.width:
        fresh = row + (s.oldest[p] + s.used[p]) % s.room
        s.since[fresh] = now
        s.tried[fresh] = 0
        s.good[fresh] = 0
        s.used[p] += 1


@kernel
def note(s: Any, p: int, now: float, tried: int, good: int) -> None:
    """Count so many that were tried, and that were good."""
    turn_buckets(s, p, now)
    newest = p * s.room + (s.oldest[p] + s.used[p] + s.room - 1) % s.room
    s.tried[newest] += tried
    s.good[newest] += good
    s.all_tried[p] += tried
    s.all_good[p] += good


def make_buckets(window: float, width: float, places: int, make: Make) -> dict[str, Any]:
    """Return the fields that a state with such a history has.

    ``window``, ``width`` in seconds; ``room``, buckets a place; ``oldest``, ``used``,
    ``all_tried``, ``all_good``, ints, one a place; ``since``, floats, ``tried``, ``good``, ints,
    those of place *p* from ``p * room`` on, in a ring.
    """
    # so many buckets begin within a window, and one more for comparisons to the nanosecond
    room = int(window / width) + 2
    return {
        "window": window,
        "width": width,
        "room": room,
        "oldest": make.ints([0] * places),
        "used": make.ints([0] * places),
        "all_tried": make.ints([0] * places),
        "all_good": make.ints([0] * places),
        "since": make.floats([0.0] * (places * room)),
        "tried": make.ints([0] * (places * room)),
        "good": make.ints([0] * (places * room)),
    }


def check_width(window: float, width: float, field: str) -> None:
    """Refuse buckets wider than the window, or too many of them."""
    if width > window:
        raise PartError(
            "", field, f"is {width!r}, but must be at most the window, {window!r} seconds"
        )
    if window / width > MOST_BUCKETS:
        raise PartError(
            "",
            field,
            f"is {width!r}, which makes {window / width:.3g} buckets of a window of {window!r} "
            f"seconds; at most {MOST_BUCKETS} are kept, so give at least "
            f"{window / MOST_BUCKETS:.6g}",
        )
