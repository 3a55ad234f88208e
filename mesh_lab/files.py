"""Scenarios as YAML files: every part with its kind and the fields that differ from the defaults.

::

    mesh_lab: 1
    parts:
    - kind: Poisson
      name: shop
      to: orders
      rate: 350.0
    - kind: Service
      name: orders
      replicas: 10
      service_time: {kind: Exponential, mean: 0.02}
      balancer: {kind: LeastRequest}

The number is the version of the format.  A mapping whose ``kind`` is a word is a part, a
distribution, a balancer or a profile; any other is the dict that some fields take.  A trace's path
is kept as it was given, and a relative one starts at the working directory of whoever runs it.
A part that holds a user's function cannot be written: a file that could name code could run it.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from . import balancing, distributions, resilience, shedding
from .atomic import replacing
from .balancing import eligible
from .errors import PartError, ScenarioFileError
from .mesh import discovery
from .mesh.canary import Canary
from .mesh.finding import ServiceDiscovery
from .mesh.plane import DataPlane
from .mesh.routing import Route, Rule
from .messaging.consumer import Consumer
from .messaging.link import Link
from .messaging.log.changes import CrashMember, JoinGroup, LeaveGroup, Seek
from .messaging.log.group import ConsumerGroup
from .messaging.log.log import Log
from .messaging.log.producer import Producer
from .messaging.queue import MessageQueue
from .messaging.redrive import Redrive
from .messaging.topic import Topic
from .sources.access_log import AccessLog
from .sources.closed import Users
from .sources.keys import Keys
from .sources.merge import Merge
from .sources.open import Poisson, PoissonBatches, Renewal
from .sources.replay import Replay
from .sources.varying import Bursts, Profile, TimeVarying
from .stations import calls, connections, endpoints, faults
from .stations.handler import Handler
from .stations.queue import Queue
from .stations.service import Service
from .yaml_subset import Block, Refused, parse, scalar, text

__all__ = ["dump", "load", "replacing", "write"]

VERSION = 1

_SOURCES = (AccessLog, Bursts, Merge, Poisson, PoissonBatches, Renewal, Replay, TimeVarying, Users)
_MESSAGING = (MessageQueue, Topic, Consumer, Redrive, Log, ConsumerGroup)
_MESH = (DataPlane, ServiceDiscovery, Route)
PARTS: dict[str, Any] = {
    kind.__name__: kind for kind in (*_SOURCES, Queue, Handler, Service, *_MESSAGING, *_MESH)
}
# bases, and what only engines make
_NOT_DECLARED = {
    *("Balancer", "Change", "Known", "Breaker", "RetryBudget", "Shedder", "Discovery"),
    *("Facts", "Staleness", "Registry", "Ending"),
}
KINDS: dict[str, Any] = {
    **PARTS,
    **{
        name: getattr(package, name)
        for package in (
            distributions,
            balancing,
            eligible,
            endpoints,
            resilience,
            calls,
            connections,
            discovery,
            faults,
            shedding,
        )
        for name in package.__all__
        if dataclasses.is_dataclass(getattr(package, name)) and name not in _NOT_DECLARED
    },
    "Keys": Keys,
    "Rule": Rule,
    "Canary": Canary,
    "Profile": Profile,
    "Link": Link,
    **{k.__name__: k for k in (Producer, JoinGroup, LeaveGroup, CrashMember, Seek)},
}


def write(content: str, path: str | Path) -> None:
    """Write `content` to the file at `path`, or leave what was there as it was.

    Raises
    ------
    ScenarioFileError
        When the file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(content, encoding="utf-8", newline="\n")


# -- from parts to a text --------------------------------------------------------------------------


def dump(parts: Iterable[Any]) -> str:
    """Return the parts as the text of a scenario file.

    Raises
    ------
    ScenarioFileError
        When a part holds a user's function or a class of the user's own; it names part and field.

    Examples
    --------
    >>> print(dump([Poisson("shop", rate=350.0, to="orders")]), end="")
    mesh_lab: 1
    parts:
    - kind: Poisson
      name: shop
      to: orders
      rate: 350.0
    """
    return text(Block(mesh_lab=VERSION, parts=[Block(_fields(part, "")) for part in parts]))


def _fields(part: Any, where: str) -> dict[str, Any]:
    """Return a part as plain values: its kind, its name, and what is not default."""
    kind = type(part)
    if KINDS.get(kind.__name__) is not kind:
        raise ScenarioFileError(
            f"{where}is a {kind.__qualname__}, which cannot be written: a file knows only "
            "mesh_lab's own kinds"
        )
    label = _label(where, kind.__name__, getattr(part, "name", None))
    fields = sorted(dataclasses.fields(part), key=lambda f: bool(f.kw_only))  # the name first
    return {
        "kind": kind.__name__,
        **{
            f.name: _plain(getattr(part, f.name), f"{label}, {f.name}: ")
            for f in fields
            if not _is_default(f, getattr(part, f.name))
        },
    }


def _plain(value: Any, where: str) -> Any:
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if isinstance(value, dict):
        return {key: _plain(item, where) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item, where) for item in value]
    if callable(value):
        name = getattr(value, "__qualname__", type(value).__qualname__)
        raise ScenarioFileError(
            f"{where}is the function {name}, which cannot be written: a file holds no code; use a "
            "distribution, or build the scenario in Python"
        )
    return _fields(value, where)


def _is_default(f: dataclasses.Field[Any], value: Any) -> bool:
    default = f.default
    if f.default_factory is not dataclasses.MISSING:
        default = f.default_factory()
    return bool(value == default)


# -- from a text to parts --------------------------------------------------------------------------


def load(source: str | Path) -> tuple[Any, ...]:
    """Return the parts that a scenario file, or a text with at least two lines, describes.

    Raises
    ------
    ScenarioFileError
        When it cannot be read; the message names the file, line, part and field.

    Examples
    --------
    >>> load('''
    ... mesh_lab: 1
    ... parts:
    ... - {kind: Poisson, name: shop, to: orders, rate: 350}
    ... ''')
    (Poisson('shop', to='orders', rate=350.0),)
    """
    where, content = _read(source)
    try:
        return tuple(_parts(_root(parse(content))))
    except Refused as error:
        line = "" if error.line is None else f", line {error.line}"
        raise ScenarioFileError(f"{where}{line}: {error.problem}") from None
    except RecursionError:
        raise ScenarioFileError(f"{where}: is nested too deeply") from None


def origin(source: str | Path) -> str:
    """Return how an error calls `source`: the file, or the text."""
    is_text = isinstance(source, str) and ("\n" in source or not source.strip())
    return "scenario text" if is_text else str(source)


def _read(source: str | Path) -> tuple[str, str]:
    if isinstance(source, str) and origin(source) != source:
        return origin(source), source
    try:
        data = Path(source).read_bytes()
    except TypeError:
        raise ScenarioFileError(
            f"{source!r} cannot be read: it must be a path, or a text of at least two lines"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ScenarioFileError(f"{source}: cannot be read: {reason}") from None
    try:
        return str(source), data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScenarioFileError(
            f"{source}, line {line}: holds the byte 0x{data[error.start]:02x}, but must be UTF-8"
        ) from None


def _root(node: yaml.Node | None) -> list[yaml.Node]:
    """Return the nodes of the parts, once the frame around them is right."""
    if node is None:
        raise Refused(None, f"is empty, but must begin with 'mesh_lab: {VERSION}'")
    if not isinstance(node, yaml.MappingNode):
        raise Refused(_line(node), f"must begin with 'mesh_lab: {VERSION}', then 'parts:'")
    items = _items(node, "")
    for name, (key, _) in items.items():
        if name not in {"mesh_lab", "parts"}:
            raise Refused(
                _line(key), f"there is no {name!r}{_perhaps(name, ['mesh_lab', 'parts'])}"
            )
    for name in ("mesh_lab", "parts"):
        if name not in items:
            raise Refused(_line(node), f"{name!r} is missing")
    version = _value(items["mesh_lab"][1], "mesh_lab: ")
    if type(version) is not int or version != VERSION:
        raise Refused(
            _line(items["mesh_lab"][0]),
            f"mesh_lab: is {version!r}, but this mesh_lab reads version {VERSION} of the format",
        )
    parts = items["parts"][1]
    if not isinstance(parts, yaml.SequenceNode):
        raise Refused(_line(parts), "parts: must be a list, each item beginning with '- kind:'")
    return list(parts.value)


def _parts(nodes: Sequence[yaml.Node]) -> Iterable[Any]:
    seen: dict[str, int] = {}
    for node in nodes:
        kind = _kind(node)
        if kind is None:
            raise Refused(_line(node), "a part must be a mapping with a kind: 'kind: Poisson'")
        if kind not in PARTS:
            raise Refused(_line(node), f"there is no part of kind {kind!r}{_perhaps(kind, PARTS)}")
        part = _part(node, kind, "")
        if part.name in seen:
            raise Refused(
                _line(node),
                f"{kind} {part.name!r}, name: the part on line {seen[part.name]} is called "
                f"{part.name!r} too; every name must be unique",
            )
        seen[part.name] = _line(node)
        yield part


def _part(node: yaml.Node, kind: str, where: str) -> Any:
    """Return the part that a mapping with a kind describes."""
    items = _items(node, f"{where}{kind}: ")
    name = items["name"][1].value if "name" in items else None
    label = _label(where, kind, name if isinstance(name, str) else None)
    del items["kind"]
    known = [f.name for f in dataclasses.fields(KINDS[kind])]
    fields = {}
    for field, (key, value) in items.items():
        if field not in known:
            raise Refused(
                _line(key), f"{label}: there is no field {field!r}{_perhaps(field, known)}"
            )
        fields[field] = _value(value, f"{label}, {field}: ")
    try:
        return KINDS[kind](**fields)
    except PartError as error:
        field = error.field.partition("[")[0]
        at = items[field][0] if field in items else node
        raise Refused(_line(at), f"{where}{error}") from None


def _value(node: yaml.Node, where: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, where) for item in node.value]
    kind = _kind(node)
    if kind is None:
        return {key: _value(value, where) for key, (_, value) in _items(node, where).items()}
    if kind not in KINDS:
        raise Refused(_line(node), f"{where}there is no kind {kind!r}{_perhaps(kind, KINDS)}")
    return _part(node, kind, where)


def _kind(node: yaml.Node) -> str | None:
    """Return the kind of part that a mapping describes; None if it is a plain dict, or no mapping.

    A destination may be called "kind", but its probability is a number.
    """
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.value == "kind":
            found = scalar(value) if isinstance(value, yaml.ScalarNode) else None
            return found if isinstance(found, str) else None
    return None


def _items(node: yaml.Node, where: str) -> dict[Any, tuple[yaml.Node, yaml.Node]]:
    """Return the items of a mapping: from each key to its node and its value's node."""
    items: dict[Any, tuple[yaml.Node, yaml.Node]] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise Refused(_line(key), f"{where}a key must be a plain value")
        name = scalar(key)
        if name in items:
            raise Refused(
                _line(key), f"{where}{name!r} is given twice, first on line {_line(items[name][0])}"
            )
        items[name] = (key, value)
    return items


def _label(where: str, kind: str, name: str | None) -> str:
    return f"{where}{kind}" if name is None else f"{where}{kind} {name!r}"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _perhaps(name: Any, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; there are: {', '.join(known)}"
