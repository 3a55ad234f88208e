"""What may be the name of a stream, a projection, a relay or a snapshot.

A name is kept in an indexed column on three databases that compare text differently.  MySQL's
comparison disregards spaces at the end, so a name has none at either end; everything else compares
byte by byte.
"""

from __future__ import annotations

from .schema import NAME

__all__ = ["checked_name", "stream_name"]


def checked_name(what: str, given: object) -> str:
    """Return a name that every database tells from every other.

    Raises
    ------
    ValueError
        When it is empty, too long, not printable, or has space at an end.

    Examples
    --------
    >>> checked_name("stream", "order-17")
    'order-17'
    >>> checked_name("stream", "order-17 ")
    Traceback (most recent call last):
        ...
    ValueError: stream='order-17 ': must be a string of 1 to 200 printable characters without \
space at its ends
    """
    if (
        isinstance(given, str)
        and 0 < len(given) <= NAME
        and given.isprintable()
        and given == given.strip()
    ):
        return str(given)
    raise ValueError(
        f"{what}={given!r}: must be a string of 1 to {NAME} printable characters "
        "without space at its ends"
    )


def stream_name(given: object) -> str:
    """Return the name of a stream; see `checked_name`."""
    return checked_name("stream", given)
