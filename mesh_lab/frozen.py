"""Values that cannot change: what a part holds must stay what was checked.

A frozen dataclass only refuses new values for its fields; a dict in a field could still be changed
behind its back.  `frozen` turns dicts, lists and sets into equivalents that are hashable and refuse
to change, all the way down.
"""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FrozenDict", "FrozenList", "frozen"]


def _refuse(self: Any, *_: Any, **__: Any) -> NoReturn:
    raise TypeError("this cannot be changed; make a new part or event instead")


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
    TypeError: this cannot be changed; make a new part or event instead
    """

    __slots__ = ()

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # its base, which changes, has none
        return hash(frozenset(self.items()))

    def __reduce__(self) -> tuple[type[FrozenDict], tuple[dict[Any, Any]]]:
        return FrozenDict, (dict(self),)


class FrozenList(list[Any]):
    """A list that refuses to change; equal to a plain list of the same items, and hashable.

    Examples
    --------
    >>> FrozenList(["tea", "milk"]) == ["tea", "milk"]
    True
    """

    __slots__ = ()

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse

    def __hash__(self) -> int:  # type: ignore[override]  # its base, which changes, has none
        return hash(tuple(self))

    def __reduce__(self) -> tuple[type[FrozenList], tuple[list[Any]]]:
        return FrozenList, (list(self),)


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
