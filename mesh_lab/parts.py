"""What a declared part is: frozen data, checked when it is made, with errors for people.

A part is a pydantic dataclass.  `part` adds what pydantic leaves open: one documented error
(`mesh_lab.errors.PartError`) that names the part and the field, NumPy scalars taken as the plain
numbers they stand for, and a ``repr`` that shows only what differs from the defaults.
Nothing is converted silently: the string ``"3"`` is not the number 3.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any, TypeVar, dataclass_transform

import numpy as np
from annotated_types import Ge, Gt, Le
from pydantic import ConfigDict, Field, ValidationError
from pydantic import dataclasses as pydantic_dataclasses

from .errors import PartError

__all__ = [
    "Count",
    "Name",
    "NonNegative",
    "Positive",
    "Probability",
    "field",
    "part",
    "shown",
]

T = TypeVar("T")

Positive = Annotated[float, Gt(0), Field(allow_inf_nan=False)]
NonNegative = Annotated[float, Ge(0), Field(allow_inf_nan=False)]
Probability = Annotated[float, Ge(0), Le(1), Field(allow_inf_nan=False)]
Count = Annotated[int, Ge(1)]
Name = Annotated[str, Field(min_length=1)]

field = dataclasses.field

_CONFIG = ConfigDict(strict=True, extra="forbid", arbitrary_types_allowed=True)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def part(cls: type[T]) -> type[T]:
    """Make `cls` a declared part: frozen, keyword-only, validated, comparable.

    A field that may be given by position (a part's name) says
    ``field(kw_only=False)``.

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
    >>> Kettle("blue", litres=2.0)
    Kettle('blue', litres=2.0)
    >>> Kettle("blue", litres=-1.0)
    Traceback (most recent call last):
        ...
    mesh_lab.errors.PartError: Kettle 'blue', litres: is -1.0, but must be greater than 0
    """
    made: Any = pydantic_dataclasses.dataclass(
        config=_CONFIG, frozen=True, kw_only=True, repr=False
    )(cls)
    validate = made.__init__

    @functools.wraps(validate)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        args = tuple(_plain(value) for value in args)
        kwargs = {key: _plain(value) for key, value in kwargs.items()}
        try:
            validate(self, *args, **kwargs)
        except ValidationError as error:
            label = _label(type(self), args, kwargs)
            raise _explained(label, type(self), error) from None

    made.__init__ = init
    if "__repr__" not in cls.__dict__:
        made.__repr__ = shown
    return made  # type: ignore[no-any-return]


def shown(self: Any) -> str:
    """Return the short, stable ``repr`` of a part: fields by position, then what is not default."""
    positional, named = [], []
    for f in dataclasses.fields(self):
        value = getattr(self, f.name)
        if not f.kw_only:
            positional.append(repr(value))
        elif f.repr and not _is_default(f, value):
            named.append(f"{f.name}={value!r}")
    return f"{type(self).__name__}({', '.join(positional + named)})"


def _is_default(f: dataclasses.Field[Any], value: Any) -> bool:
    if f.default is not dataclasses.MISSING:
        return type(value) is type(f.default) and bool(value == f.default)
    if f.default_factory is not dataclasses.MISSING:
        return bool(value == f.default_factory())
    return False


def _plain(value: Any) -> Any:
    """Take a NumPy scalar as the Python number it stands for, and a list as a tuple."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | np.ndarray):
        return tuple(_plain(v) for v in value)
    return value


def _label(kind: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    name = kwargs.get("name", args[0] if args else None)
    return f"{kind.__name__} {name!r}" if isinstance(name, str) else kind.__name__


def _explained(label: str, kind: Any, error: ValidationError) -> PartError:
    first = error.errors(include_url=False)[0]
    names = [f.name for f in dataclasses.fields(kind)]
    where = [str(step) for step in first["loc"] if not isinstance(step, int)]
    given, message = first["input"], first["msg"]
    # pydantic puts "the tag of the union's member" into the path; a reader wants the field alone.
    named = where[0] if where else ""
    if isinstance(first["loc"][0] if first["loc"] else None, int):
        named = names[int(first["loc"][0])] if int(first["loc"][0]) < len(names) else ""
    if first["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return PartError(
            label, named, f"is not a field of {kind.__name__}; it has: {', '.join(names)}"
        )
    if first["type"] in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return PartError(label, named, "is missing and has no default")
    if first["type"] == "value_error":
        cause = first["ctx"]["error"]
        if isinstance(cause, PartError):  # from __post_init__, which knows the field
            return PartError(label, cause.field, cause.problem)
        return PartError(label, named, str(cause))
    allowed = message.removeprefix("Input should be ")
    return PartError(label, named, f"is {given!r}, but must be {allowed}")
