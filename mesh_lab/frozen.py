"""Values that cannot change: what a part holds must stay what was checked.

A frozen dataclass only refuses new values for its fields; a dict in a field could still be changed
behind its back.  `frozen` turns dicts, lists and sets into equivalents that are hashable and refuse
to change, all the way down.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FrozenDict", "frozen"]


class FrozenDict(dict[Any, Any]):
    """A dict that refuses to change; equal to a plain dict of the same items, and hashable.

    It is a real ``dict`` for reading, so that ``isinstance``, ``json.dumps`` and ``**`` work.

    Examples
    --------
    >>> routes = FrozenDict({"pay": 0.9, "leave": 0.1})
    >>> routes
    {'pay': 0.9, 'leave': 0.1}
    >>> routes == {"leave": 0.1, "pay": 0.9}
    True
    >>> routes["pay"] = 1.0
    Traceback (most recent call last):
        ...
    TypeError: a part's dict cannot be changed; make a new part instead
    """

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a part's dict cannot be changed; make a new part instead")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[Any, Any]]]:
        return FrozenDict, (dict(self),)


def frozen(value: Any) -> Any:
    """Return `value` with every dict, list and set in it replaced by an immutable equivalent.

    Examples
    --------
    >>> frozen({"zones": ["a", "b"]})
    {'zones': ('a', 'b')}
    >>> hash(frozen({"zones": ["a", "b"]})) == hash(frozen({"zones": ["a", "b"]}))
    True
    """
    kind = type(value)
    if kind is dict or kind is FrozenDict:
        return FrozenDict({key: frozen(item) for key, item in value.items()})
    if kind is list or kind is tuple:
        return tuple(frozen(item) for item in value)
    if kind is set:
        return frozenset(value)
    return value
