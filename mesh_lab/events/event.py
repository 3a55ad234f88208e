"""An event: a record of something that happened, which nobody can change afterwards.

`Event` has the context attributes of CloudEvents 1.0 (cloudevents/spec, ``spec.md``) under their
own names, and a routing key ``key``, which is the attribute ``partitionkey`` of CloudEvents'
partitioning extension.  ``to_json`` and ``from_json`` speak its JSON format in structured mode
(``formats/json-format.md``, media type ``application/cloudevents+json``).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NoReturn, TypeAlias

import numpy as np

from ..errors import EventError
from ..frozen import FrozenDict
from . import attributes as check

__all__ = ["Event", "NewId"]

SPEC_VERSION = "1.0"

NewId: TypeAlias = str | Iterator[Any] | np.random.Generator


@dataclasses.dataclass(frozen=True, kw_only=True, repr=False)
class Event:
    """One event, as CloudEvents 1.0 describes it.

    Parameters
    ----------
    id : str
        Unique within `source`; the same source and id mean the same event (a duplicate).
    source : str
        Where it happened: a URI reference, such as ``"/shop"``.
    type : str
        What kind of thing happened, such as ``"order.paid"``.
    subject : str, optional
        What it happened to, within the source: ``"order-17"``.
    time : datetime, optional
        When it happened, with a time zone (or RFC 3339 text).
    key : str, optional
        The routing key: events of one key go to one partition (``partitionkey``).
    datacontenttype : str, optional
        The media type of `data`; none means JSON.
    dataschema : str, optional
        The URI of the schema of `data`.
    data : JSON value or bytes, optional
        The payload.  None means that there is none.
    extensions : mapping of str to bool, int or str, optional
        Further attributes; the names are of lower-case letters and digits.

    Raises
    ------
    EventError
        When an attribute is missing, or is not what CloudEvents 1.0 allows.

    Examples
    --------
    >>> paid = Event(id="1", source="/shop", type="order.paid", subject="order-17", data={"eur": 5})
    >>> paid
    Event(id='1', source='/shop', type='order.paid', subject='order-17', data={'eur': 5})
    >>> Event.from_json(paid.to_json()) == paid
    True
    """

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    key: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: Any = None
    extensions: Mapping[str, bool | int | str] = FrozenDict()

    def __post_init__(self) -> None:
        settled: dict[str, Any] = {
            "id": check.text("id", self.id),
            "source": check.uri_reference("source", self.source),
            "type": check.text("type", self.type),
        }
        optional = (
            ("subject", check.text),
            ("time", check.timestamp),
            ("key", check.text),
            ("datacontenttype", check.media_type),
            ("dataschema", check.absolute_uri),
        )
        for name, rule in optional:
            given = getattr(self, name)
            settled[name] = None if given is None else rule(name, given)
        settled["data"] = check.payload(self.data, settled["datacontenttype"])
        if not isinstance(self.extensions, Mapping):
            raise check.wrong("extensions", self.extensions, "a dict of attribute names to values")
        settled["extensions"] = FrozenDict(
            {name: check.extension(name, value) for name, value in self.extensions.items()}
        )
        for name, value in settled.items():
            object.__setattr__(self, name, value)

    @classmethod
    def new(cls, type: str, source: str, *, id: NewId, **attributes: Any) -> Event:
        """Make an event whose id comes from a counter or a seeded generator.

        Parameters
        ----------
        type, source : str
            As for `Event`.
        id : str, iterator or numpy.random.Generator
            The id itself; or an iterator whose next value it is (``itertools.count(1)``); or a
            generator, which gives a random (version 4) UUID.  There is no default, because an id
            from nowhere would make two runs of one program differ.
        **attributes
            The other fields of `Event`.

        Raises
        ------
        EventError
            As for `Event`; or when the iterator is exhausted.

        Examples
        --------
        >>> from itertools import count
        >>> numbers = count(1)
        >>> Event.new("order.paid", "/shop", id=numbers).id
        '1'
        >>> Event.new("order.paid", "/shop", id=numbers).id
        '2'
        >>> import numpy as np
        >>> Event.new("order.paid", "/shop", id=np.random.default_rng(1)).id
        'ffe42279-f3bd-4683-a6a8-52c1bb9651f3'
        """
        return cls(id=_identifier(id), source=source, type=type, **attributes)

    @property
    def identity(self) -> tuple[str, str]:
        """Source and id: two events with the same identity are the same event, delivered twice."""
        return self.source, self.id

    def to_dict(self) -> dict[str, Any]:
        """Return the members of the JSON form; bytes become ``data_base64``.

        Examples
        --------
        >>> Event(id="1", source="/shop", type="scan", data=b"ok").to_dict()
        {'specversion': '1.0', 'id': '1', 'source': '/shop', 'type': 'scan', 'data_base64': 'b2s='}
        """
        members: dict[str, Any] = {"specversion": SPEC_VERSION}
        for name in check.CORE:
            members[name] = getattr(self, name)
        if self.time is not None:
            members["time"] = self.time.isoformat().replace("+00:00", "Z")
        members[check.PARTITION_KEY] = self.key
        members |= self.extensions
        if isinstance(self.data, bytes):
            members["data_base64"] = base64.b64encode(self.data).decode("ascii")
        else:
            members["data"] = self.data
        return {name: value for name, value in members.items() if value is not None}

    def to_json(self, indent: int | None = None) -> str:
        """Return the event in CloudEvents' JSON format.

        Parameters
        ----------
        indent : int, optional
            Spaces a level, for people; without, one line.
        """
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=indent)

    @classmethod
    def from_dict(cls, members: Mapping[str, Any]) -> Event:
        """Return the event whose JSON form has these members (see `from_json`)."""
        if not isinstance(members, Mapping):
            raise EventError(f"an event must be a JSON object, but is a {_kind(members)}")
        present = {name: value for name, value in members.items() if value is not None}
        for name in ("specversion", "id", "source", "type"):
            if name not in present:
                raise EventError(f"{name}: is missing, but every CloudEvent must have it")
        if present["specversion"] != SPEC_VERSION:
            raise check.wrong("specversion", present["specversion"], repr(SPEC_VERSION))
        if "data" in present and "data_base64" in present:
            raise EventError("data_base64: is given beside data, but an event has one payload")
        data = present.get("data")
        if "data_base64" in present:
            data = _decoded(present["data_base64"])
        taken = {"specversion", "data", "data_base64", check.PARTITION_KEY, *check.CORE}
        return cls(
            **{name: present[name] for name in check.CORE if name in present},
            key=present.get(check.PARTITION_KEY),
            data=data,
            extensions={name: value for name, value in present.items() if name not in taken},
        )

    @classmethod
    def from_json(cls, document: str | bytes) -> Event:
        """Read an event in CloudEvents' JSON format, structured mode.

        Unknown attributes are kept as extensions; ``null`` means not set, for ``data`` too.

        Parameters
        ----------
        document : str or bytes
            One JSON object; bytes are UTF-8.

        Raises
        ------
        EventError
            When it is not JSON, a required attribute is missing, ``specversion`` is not 1.0, a
            member appears twice, or an attribute is not what CloudEvents 1.0 allows.

        Examples
        --------
        >>> Event.from_json('{"specversion": "1.0", "id": "1", "source": "/shop"}')
        Traceback (most recent call last):
            ...
        mesh_lab.errors.EventError: type: is missing, but every CloudEvent must have it
        """
        try:
            members = json.loads(
                document, object_pairs_hook=_once_each, parse_constant=_no_constant
            )
        except RecursionError:
            raise EventError("the event is JSON that is nested too deeply to be read") from None
        except ValueError as error:  # and an integer of very many digits is one
            raise EventError(f"the event is not JSON: {error}") from None
        except TypeError:
            raise EventError(f"the event must be str or bytes, not {_kind(document)}") from None
        return cls.from_dict(members)

    def __repr__(self) -> str:
        given = []
        for f in dataclasses.fields(self):
            value = getattr(self, f.name)
            if value is not None and (f.name != "extensions" or value):
                given.append(f"{f.name}={value!r}")
        return f"Event({', '.join(given)})"


def _identifier(given: NewId) -> str:
    if isinstance(given, str):
        return given
    if isinstance(given, np.random.Generator):
        return str(uuid.UUID(bytes=given.bytes(16), version=4))
    if isinstance(given, Iterator):
        try:
            return str(next(given))
        except StopIteration:
            raise EventError("id: the iterator that gives the ids is exhausted") from None
    raise check.wrong("id", given, "a string, an iterator, or a numpy.random.Generator")


def _kind(value: object) -> str:
    return type(value).__name__


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True)  # type: ignore[arg-type]  # caught
    except (binascii.Error, TypeError, ValueError):
        raise check.wrong("data_base64", value, "Base64 text (RFC 4648)") from None


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise EventError(f"{twice}: appears twice in one JSON object")
    return members


def _no_constant(name: str) -> NoReturn:
    raise EventError(f"the event is not JSON: it holds {name}")
