"""The part of YAML that scenario files use: plain values, each with the line it stands on.

YAML 1.1, which PyYAML reads, has surprises: ``no`` is False, ``010`` is eight, ``1:30`` is ninety,
``1e3`` is a string, and a tag may name code to run.  Here a plain value is what it is in the "core
schema" of YAML 1.2 (specification 1.2.2, section 10.3): null, true and false, decimal integers and
floats; everything else is a string.  Tags and aliases are refused.  Nothing but plain values is
ever built, so a file cannot run code.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

__all__ = ["Block", "Refused", "parse", "scalar", "text"]

_CORE = [
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    # 010 is ten in YAML 1.2 and eight in 1.1; here it is a string, which no number field takes
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
        r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
]
_TAG = "tag:yaml.org,2002:"


class Refused(Exception):  # noqa: N818  (a step inside; the reader of a file sees ScenarioFileError)
    """Something that is no scenario file, and the line where that shows (None: as a whole)."""

    def __init__(self, line: int | None, problem: str) -> None:
        super().__init__(line, problem)
        self.line = line
        self.problem = problem


class Block(dict[str, Any]):
    """A dict that is written with one line an item."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  (PyYAML fills it by class methods)

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Refuse tags, which may name code, and aliases, which make a small file a huge one."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stub has no types
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise Refused(line, f"has the alias *{event.anchor}; write the value again instead")
        if getattr(event, "tag", None) is not None:
            raise Refused(line, f"has the tag {_shown(event.tag)}; only plain values are read")
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    """Writes what both `_Loader` and YAML 1.1 read back: ``no`` gets quotes, for other readers."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write an equal value again, never an alias."""
        return True


for _name, _pattern, _first in _CORE:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_TAG + _name, re.compile(rf"(?:{_pattern})\Z"), _first)


def _block(dumper: yaml.SafeDumper, data: Block) -> yaml.Node:
    return dumper.represent_mapping(_TAG + "map", data.items(), flow_style=False)


def _string(dumper: yaml.SafeDumper, data: str) -> yaml.Node:
    """Write line breaks and invisible characters as escapes: in other styles some get lost."""
    return dumper.represent_scalar(_TAG + "str", data, style=None if data.isprintable() else '"')


_Dumper.add_representer(Block, _block)
_Dumper.add_representer(str, _string)


def text(value: Any) -> str:
    """Return `value` (plain values, lists, dicts) as YAML: small things on one line.

    Examples
    --------
    >>> print(text(Block(name="no", means=[1e-05, 2.0])), end="")
    name: 'no'
    means: [1.0e-05, 2.0]
    """
    written = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
        default_flow_style=None,
    )
    return str(written)


def parse(source: str) -> yaml.Node | None:
    """Return the tree of nodes of a YAML text, or None if it holds nothing.

    Raises
    ------
    Refused
        When it is not YAML, or holds tags or aliases.
    """
    try:
        loader = _Loader(source)
        try:
            root = loader.get_single_node()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part)
        column = f" (column {mark.column + 1})" if mark else ""
        raise Refused(mark.line + 1 if mark else None, f"is not YAML: {problem}{column}") from None
    except yaml.reader.ReaderError as error:
        line = source.count("\n", 0, int(error.position)) + 1
        raise Refused(
            line, f"holds the character U+{ord(source[error.position]):04X}, which YAML has not"
        ) from None
    return root


def scalar(node: yaml.ScalarNode) -> Any:
    """Return the value of a node that holds one: None, a bool, int, float or str."""
    kind, value = node.tag.removeprefix(_TAG), node.value
    if kind == "null":
        return None
    if kind == "bool":
        return value.lower() == "true"
    if kind == "int":
        try:
            return int(value)
        except ValueError:  # Python refuses thousands of digits
            raise Refused(node.start_mark.line + 1, "has a number of too many digits") from None
    if kind == "float":
        return float(value.lower().replace(".inf", "inf").replace(".nan", "nan"))
    return value


def _shown(tag: str) -> str:
    return f"!!{tag.removeprefix(_TAG)}" if tag.startswith(_TAG) else tag
