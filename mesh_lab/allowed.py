"""What a field allows, in words: ``Positive | None`` is "a number above 0 or None".

pydantic reports what went wrong in each branch of a type.  A reader wants to know everything that
would have been right, so the words are made from the type itself.
"""

from __future__ import annotations

import collections.abc
import math
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

__all__ = ["allowed", "inside"]

_PLAIN: dict[Any, str] = {
    int: "an integer",
    float: "a number",
    str: "a string",
    bool: "True or False",
    bytes: "bytes",
    dict: "a dict",
    tuple: "a list",
    type(None): "None",
    Any: "anything",
    collections.abc.Callable: "a function",
    typing.Callable: "a function",
}

_LIMITS = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}


def allowed(hint: Any) -> str:
    """Return in words which values the type `hint` allows.

    Examples
    --------
    >>> from mesh_lab.parts import Count, Name, Positive, Probability
    >>> allowed(Positive)
    'a number above 0'
    >>> allowed(Count | None)
    'an integer of at least 1 or None'
    >>> allowed(Name | dict[str, Probability])
    'a string that is not empty, or a dict (of a string to a number from 0 to 1)'
    >>> allowed(tuple[Positive, ...])
    'a list (each item a number above 0)'
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _limited(args[0], hint.__metadata__)
    if origin in {Union, types.UnionType}:
        return _either([allowed(arg) for arg in args])
    if origin is Literal:
        return _either([repr(arg) for arg in args])
    if origin is tuple:
        return f"a list ({_items(args)})"
    if origin is dict:
        return f"a dict (of {allowed(args[0])} to {allowed(args[1])})"
    kind = origin or hint
    if kind in _PLAIN:
        return _PLAIN[kind]
    name = getattr(kind, "__name__", str(kind))
    article = "an" if name[0] in "AEIOU" else "a"
    example = vars(kind).get("such_as") if isinstance(kind, type) else None  # of a base itself
    return f"{article} {name}" + (f" such as {example}" if isinstance(example, str) else "")


def inside(hint: Any, at: Any, container: Any, of: str = "item") -> Any:
    """Return the type that `hint` gives to item `at` of `container`, or None if it gives none.

    With ``of="key"``, return the type of the keys of a dict.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return inside(args[0], at, container, of)
    if origin in {Union, types.UnionType}:
        branches = (inside(arg, at, container, of) for arg in args)
        return next((branch for branch in branches if branch is not None), None)
    if origin is dict and isinstance(container, Mapping):
        return args[0] if of == "key" else args[1]
    if origin is tuple and isinstance(container, Sequence) and isinstance(at, int):
        if args[-1] is Ellipsis:
            return args[0]
        return args[at] if at < len(args) else None
    return None


def _limited(kind: Any, rules: Sequence[Any]) -> str:
    """Say a type with its limits: (float, [Gt(0)]) is "a number above 0"."""
    limits: dict[str, Any] = {}
    for rule in rules:
        for name in (*_LIMITS, "min_length"):
            limit = getattr(rule, name, None)
            if limit is not None and limit != math.inf:
                limits[name] = limit
    what = allowed(kind)
    if limits.get("min_length") == 1:
        return f"{what} that is not empty"
    if {"ge", "le"} <= limits.keys():
        return f"{what} from {limits['ge']} to {limits['le']}"
    said = " and ".join(f"{_LIMITS[name]} {limits[name]}" for name in _LIMITS if name in limits)
    joined = "of " if "ge" in limits or ("le" in limits and "gt" not in limits) else ""
    return f"{what} {joined}{said}" if said else what


def _items(args: tuple[Any, ...]) -> str:
    if args[-1] is Ellipsis:
        return f"each item {allowed(args[0])}"
    return f"of {len(args)} items: {'; '.join(allowed(arg) for arg in args)}"


def _either(options: list[str]) -> str:
    options = list(dict.fromkeys(options))
    if len(options) == 1:
        return options[0]
    comma = "," if len(options) > 2 or any("(" in o or " that " in o for o in options) else ""
    return f"{', '.join(options[:-1])}{comma} or {options[-1]}"
