"""Why a part was refused, in words: which field, what was given, and all that is allowed.

pydantic reports one problem for each branch of a type (a field that takes a name or a dict fails
twice).  The first problem that lies inside what was given wins, because it says most; otherwise
the words come from the declared type itself (`mesh_lab.allowed`), so that nothing is left out.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .allowed import allowed, inside
from .errors import PartError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails, ValidationError

__all__ = ["refusal"]

LONGEST = 100  # characters of what was given that an error repeats


def refusal(
    kind: Any,
    hints: Mapping[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    error: ValidationError,
) -> PartError:
    """Return the error that explains why ``kind(*args, **kwargs)`` was refused.

    Parameters
    ----------
    kind : type
        The part's class.
    hints : mapping of str to type
        The types of its fields.
    args, kwargs
        What it was called with.
    error : pydantic.ValidationError
        What pydantic found.
    """
    label = _label(kind, args, kwargs)
    problems = error.errors(include_url=False)
    # What is too much also leaves fields missing: the cause is what to tell.
    problems.sort(key=lambda problem: not problem["type"].startswith("unexpected"))
    first = problems[0]
    fields = [f.name for f in dataclasses.fields(kind)]
    if first["type"] == "unexpected_positional_argument":
        return PartError(label, "", _too_many(kind, fields, args))
    if first["type"] == "value_error":
        cause = first["ctx"]["error"]
        if isinstance(cause, PartError):  # from __post_init__, which knows the field
            return PartError(label, cause.field, cause.problem)
        return PartError(label, "", str(cause))
    at = first["loc"][0]
    positional = [f.name for f in dataclasses.fields(kind) if not f.kw_only]
    name = positional[at] if isinstance(at, int) else at
    if first["type"] in {"unexpected_keyword_argument", "extra_forbidden"}:
        return PartError(label, name, _unknown(kind, fields, name))
    if first["type"] == "multiple_argument_values":
        return PartError(label, name, "is given twice, by position and by name")
    if first["type"].startswith("missing"):
        return PartError(label, name, f"is missing, but must be {allowed(hints[name])}")
    value = args[at] if isinstance(at, int) else kwargs[name]
    same_field = [problem for problem in problems if problem["loc"][0] == at]
    for problem in same_field:
        if problem["input"] is not value:
            return PartError(label, *_inner(name, hints[name], value, problem))
    return PartError(label, name, _but(value, allowed(hints[name])))


def _label(kind: type, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    name = kwargs.get("name", args[0] if args else None)
    return f"{kind.__name__} {name!r}" if isinstance(name, str) else kind.__name__


def _too_many(kind: Any, fields: list[str], args: tuple[Any, ...]) -> str:
    positional = [f.name for f in dataclasses.fields(kind) if not f.kw_only]
    by_name = [name for name in fields if name not in positional]
    takes = f"only {', '.join(positional)}" if positional else "nothing"
    return (
        f"takes {takes} by position, but was given {_short(args)}; "
        f"name the others: {', '.join(f'{name}=' for name in by_name)}"
    )


def _unknown(kind: type, fields: list[str], name: str) -> str:
    close = difflib.get_close_matches(name, fields, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"is not a field of {kind.__name__}{hint}; it has: {', '.join(fields)}"


def _inner(name: str, hint: Any, value: Any, problem: ErrorDetails) -> tuple[str, str]:
    """Say where inside a field's value the problem is: ``to['pay']``, ``means[1]``."""
    path, here = name, value
    steps = problem["loc"][1:]
    if steps and steps[-1] == "[key]":
        kind = inside(hint, steps[-2], value, of="key")
        return name, f"has the key {_but(steps[-2], allowed(kind)).removeprefix('is ')}"
    for step in steps:
        # pydantic also puts the branch of a type into the path; such a step leads nowhere
        within = step in here if isinstance(here, dict) else isinstance(here, tuple)
        deeper = inside(hint, step, here) if within else None
        if deeper is not None:
            path, hint, here = f"{path}[{step!r}]", deeper, here[step]
    return path, _but(here, allowed(hint))


def _but(value: Any, words: str) -> str:
    finite = " (and finite)" if value in (float("inf"), float("-inf")) else ""
    return f"is {_short(value)}, but must be {words}{finite}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."
