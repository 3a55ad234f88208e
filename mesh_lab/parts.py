"""What a declared part is: frozen data, checked when it is made, with errors for people.

A part is a frozen dataclass whose fields pydantic checks.  `part` adds what pydantic leaves open:
one documented error (`mesh_lab.errors.PartError`) that names the part and the field and says all
that is allowed, NumPy scalars and arrays taken as the numbers they stand for, dicts that cannot
change afterwards, and a ``repr`` that shows only what differs from the defaults.
Nothing else is converted: the string ``"3"`` is not the number 3.

pydantic takes longer to import than the rest of the package, so it is imported, and a part's
checks are built, when the first part with fields is made.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import re
import sys
from collections import ChainMap
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, dataclass_transform, get_type_hints

import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MinLen

from .frozen import frozen

if TYPE_CHECKING:
    from pydantic_core import SchemaValidator

__all__ = [
    "Count",
    "Name",
    "NonNegative",
    "Positive",
    "Probability",
    "Seconds",
    "SomeSeconds",
    "field",
    "part",
    "shown",
]

T = TypeVar("T")

Positive = Annotated[float, Gt(0), Lt(math.inf)]
NonNegative = Annotated[float, Ge(0), Lt(math.inf)]
Probability = Annotated[float, Ge(0), Le(1)]
# how long something takes: longer ones would add up to infinity, a time at which nothing is
Seconds = Annotated[float, Ge(0), Le(1e100)]
SomeSeconds = Annotated[float, Gt(0), Le(1e100)]
Count = Annotated[int, Ge(1)]
Name = Annotated[str, MinLen(1)]

field = dataclasses.field

_STRICT = {"strict": True, "extra": "forbid", "arbitrary_types_allowed": True}


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def part(cls: type[T]) -> type[T]:
    """Make `cls` a declared part: frozen, keyword-only, validated, comparable, hashable.

    A field that may be given by position (a part's name) says ``field(kw_only=False)``.  A check
    over several fields goes into ``__post_init__`` and raises `ValueError`, or
    ``PartError("", field, problem)`` to say which field it is about.

    Raises
    ------
    PartError
        When the part is made with an unknown, missing or impossible field.

    Examples
    --------
    >>> @part
    ... class Kettle:
    ...     name: Name = field(kw_only=False)
    ...     litres: Positive = 1.0
    >>> Kettle("blue", litres=2)
    Kettle('blue', litres=2.0)
    >>> Kettle("blue", litres=-1.0)
    Traceback (most recent call last):
        ...
    mesh_lab.errors.PartError: Kettle 'blue', litres: is -1.0, but must be a number above 0
    """
    caller = sys._getframe(1)
    names = ChainMap(caller.f_locals, caller.f_globals)
    own_repr = "__repr__" in cls.__dict__
    made: Any = dataclasses.dataclass(frozen=True, kw_only=True, repr=False)(cls)
    made.__pydantic_config__ = _STRICT
    unchecked = made.__init__
    fields = dataclasses.fields(made)
    all_default = all(_has_default(f) for f in fields if f.init)

    @functools.cache
    def checks() -> tuple[SchemaValidator, dict[str, Any]]:
        return _checks(made, names)

    @functools.wraps(unchecked)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        if all_default and not args and not kwargs:
            unchecked(self)  # declared defaults need no check, and then no pydantic
        else:
            from pydantic_core import ArgsKwargs, ValidationError

            args = tuple(_plain(value) for value in args)
            kwargs = {key: _plain(value) for key, value in kwargs.items()}
            validator, hints = checks()
            try:
                validator.validate_python(ArgsKwargs(args, kwargs), self_instance=self)
            except ValidationError as error:
                from .refusal import refusal

                raise refusal(made, hints, args, kwargs, error) from None
        for f in fields:
            value = getattr(self, f.name)
            if isinstance(value, dict | list | tuple | set):
                object.__setattr__(self, f.name, frozen(value))

    made.__init__ = init
    made.__signature__ = _signature(made)
    if not own_repr:
        made.__repr__ = shown
    return made  # type: ignore[no-any-return]  # Any, so that its methods can be replaced


def shown(self: Any) -> str:
    """Return the short, stable ``repr`` of a part: fields by position, then what is not default.

    A function is shown without its memory address, which changes from run to run.
    """
    positional, named = [], []
    for f in dataclasses.fields(self):
        value = getattr(self, f.name)
        if not f.kw_only:
            positional.append(_stable(value))
        elif f.repr and not _is_default(f, value):
            named.append(f"{f.name}={_stable(value)}")
    return f"{type(self).__name__}({', '.join(positional + named)})"


def _stable(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def _has_default(f: dataclasses.Field[Any]) -> bool:
    return f.default is not dataclasses.MISSING or f.default_factory is not dataclasses.MISSING


def _default(f: dataclasses.Field[Any]) -> Any:
    if f.default_factory is not dataclasses.MISSING:
        return f.default_factory()
    return f.default


def _is_default(f: dataclasses.Field[Any], value: Any) -> bool:
    if not _has_default(f):
        return False
    default = _default(f)
    # True == 1, but a field that was given True should not look like its default 1
    return isinstance(value, bool) is isinstance(default, bool) and bool(value == default)


def _plain(value: Any) -> Any:
    """Take what NumPy and pandas hold as plain Python numbers, and a list as a tuple."""
    if isinstance(value, np.generic):
        return value.item()
    if hasattr(value, "__array__") and hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | range) and type(value) in {list, tuple, range}:
        return tuple(_plain(item) for item in value)
    if type(value) is dict:
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def _checks(made: Any, names: Any) -> tuple[SchemaValidator, dict[str, Any]]:
    """Build pydantic's validator of a part, and its field types with the names looked up.

    `names` is what was visible where the part was declared, which may be inside a function.
    """
    from pydantic import TypeAdapter

    hints = get_type_hints(made, localns=names, include_extras=True)
    fields = dataclasses.fields(made)
    written = [f.type for f in fields]  # what signatures show, here and in classes that inherit
    try:
        for f in fields:
            f.type = hints[f.name]
        validator: Any = TypeAdapter(made).validator
    finally:
        for f, text in zip(fields, written, strict=True):
            f.type = text
    return validator, hints


class _Words(str):
    """An annotation that `inspect.signature` shows as it was written, without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _signature(made: Any) -> inspect.Signature:
    """Return the signature that help and completion show: the field types as they were written."""
    parameters = []
    for f in dataclasses.fields(made):
        parameters.append(
            inspect.Parameter(
                f.name,
                inspect.Parameter.KEYWORD_ONLY
                if f.kw_only
                else inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=_default(f) if _has_default(f) else inspect.Parameter.empty,
                annotation=_Words(_written(f.type)),
            )
        )
    parameters.sort(key=lambda parameter: parameter.kind)
    return inspect.Signature(parameters)


def _written(hint: Any) -> str:
    """Return a field's type as somebody would write it, also where Python has evaluated it."""
    if isinstance(hint, str):
        return hint
    text = inspect.formatannotation(hint)
    for name in ("Positive", "NonNegative", "Probability", "Count", "Name"):
        long = repr(globals()[name])
        text = text.replace(long, name).replace(long.removeprefix("typing."), name)
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", text)
