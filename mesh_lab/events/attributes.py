"""What CloudEvents 1.0 allows in an attribute: one small check for each of its types.

The rules are those of the CloudEvents specification 1.0.2 (cloudevents/spec, ``spec.md``, sections
"Naming Conventions" and "Type System"), with URIs as RFC 3986, times as RFC 3339 and content types
as RFC 2046 define them.  Each check returns the value in its Python form, or raises an
`mesh_lab.errors.EventError` that names the attribute, what was given and what is allowed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from ..errors import EventError
from ..frozen import FrozenDict, FrozenList

__all__ = [
    "CORE",
    "PARTITION_KEY",
    "absolute_uri",
    "extension",
    "is_json",
    "media_type",
    "payload",
    "text",
    "timestamp",
    "uri_reference",
    "wrong",
]

CORE = ("id", "source", "type", "subject", "time", "datacontenttype", "dataschema")
PARTITION_KEY = "partitionkey"  # the partitioning extension, extensions/partitioning.md

_NAME = re.compile(r"[a-z0-9]+")
# "Type System", String: control characters and noncharacters; a lone surrogate is not text either
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr((plane << 16) | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_URI = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):)?"
    r"(?://[A-Za-z0-9\-._~:@!$&'()*+,;=%\[\]]*)?"
    r"[A-Za-z0-9\-._~:@!$&'()*+,;=%/]*"
    r"(?:\?[A-Za-z0-9\-._~:@!$&'()*+,;=%/?]*)?"
    r"(?P<fragment>#[A-Za-z0-9\-._~:@!$&'()*+,;=%/?]*)?"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):\d\d)",
    re.ASCII,
)
_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"
_MEDIA = re.compile(rf'{_TOKEN}/({_TOKEN})(?:\s*;\s*{_TOKEN}=(?:{_TOKEN}|"[^"\\]*"))*')
_INTEGER = 2**31  # an Integer is a signed 32-bit number
_BITS = 14_000  # of an integer in data; one of more than 4300 digits would not be read back
_DEPTH = 100  # of lists and dicts in data; readers of JSON end somewhere (RFC 8259, section 9)


def wrong(attribute: str, given: object, allowed: str) -> EventError:
    """Return the error for an attribute that was given something it cannot be."""
    try:
        shown = repr(given)
    except (ValueError, RecursionError):  # an integer of very many digits, lists in lists in lists
        shown = f"of the type {type(given).__name__}, too large to be shown"
    shown = shown if len(shown) <= 100 else f"{shown[:96]} ..."
    return EventError(f"{attribute}: is {shown}, but must be {allowed}")


def text(attribute: str, value: object) -> str:
    """Check a String: not empty, no control characters, no unpaired surrogates."""
    allowed = "a string that is not empty, without control characters or noncharacters"
    if not isinstance(value, str) or not value or _FORBIDDEN.search(value):
        raise wrong(attribute, value, allowed)
    return str(value)


def uri_reference(attribute: str, value: object) -> str:
    """Check a URI-reference: absolute, or relative such as ``/shop/orders``."""
    allowed = "a URI reference such as '/shop' or 'https://example.com/shop' (RFC 3986)"
    if not isinstance(value, str) or not value or not _uri(value):
        raise wrong(attribute, value, allowed)
    return str(value)


def absolute_uri(attribute: str, value: object) -> str:
    """Check a URI: with a scheme and without a fragment."""
    allowed = "an absolute URI such as 'https://example.com/order.json' (RFC 3986, section 4.3)"
    match = _uri(value) if isinstance(value, str) else None
    if match is None or match["scheme"] is None or match["fragment"] is not None:
        raise wrong(attribute, value, allowed)
    return str(value)


def _uri(value: str) -> re.Match[str] | None:
    match = _URI.fullmatch(value)
    if match is None or _BAD_ESCAPE.search(value):
        return None
    first_segment = re.split(r"[/?#]", value, maxsplit=1)[0]
    return None if match["scheme"] is None and ":" in first_segment else match


def media_type(attribute: str, value: object) -> str:
    """Check a media type such as ``application/json; charset=utf-8``."""
    if not isinstance(value, str) or not _MEDIA.fullmatch(value):
        raise wrong(attribute, value, "a media type such as 'application/json' (RFC 2046)")
    return str(value)


def is_json(content_type: str | None) -> bool:
    """Return whether a content type declares JSON: none, ``*/json`` or ``*/*+json``."""
    if content_type is None:
        return True
    subtype = content_type.partition(";")[0].strip().partition("/")[2].lower()
    return subtype == "json" or subtype.endswith("+json")


def timestamp(attribute: str, value: object) -> datetime:
    """Check a Timestamp: a datetime with a zone, or its RFC 3339 text.

    Digits beyond the microsecond are cut off, because Python's datetime holds none.
    """
    allowed = (
        "a datetime with a time zone of whole minutes, or text such as '2026-01-31T12:00:00Z' "
        "(RFC 3339)"
    )
    moment = value
    if isinstance(value, str) and _TIME.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value.upper())
        except ValueError:  # the 31st of February; a leap second, which Python cannot hold
            raise wrong(attribute, value, allowed) from None
    offset = moment.utcoffset() if isinstance(moment, datetime) else None
    if not isinstance(moment, datetime) or offset is None or offset % timedelta(minutes=1):
        raise wrong(attribute, value, allowed)
    return moment


def extension(name: object, value: object) -> bool | int | str:
    """Check an extension attribute: its name, and a Boolean, Integer or String as its value."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise EventError(
            f"extensions: has the attribute name {name!r}, but a name must consist of "
            "lower-case letters a to z and digits"
        )
    if name == PARTITION_KEY:
        raise EventError(f"extensions: has {name!r}, but the partition key is the field key=")
    if name in {*CORE, "specversion", "data"}:
        raise EventError(f"extensions: has {name!r}, but that is not an extension")
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and -_INTEGER <= value < _INTEGER:
        return int(value)
    if isinstance(value, str):
        if _FORBIDDEN.search(value):
            raise wrong(name, value, "a string without control characters or noncharacters")
        return str(value)
    raise wrong(name, value, "True or False, an integer of 32 bits, or a string")


def payload(value: object, content_type: str | None) -> Any:
    """Check event data, and return it in a form that cannot change.

    JSON for a content type that declares JSON; otherwise a string; always also bytes.
    """
    if value is None:
        return None
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if is_json(content_type):
        return _json("data", value)
    if not isinstance(value, str):
        raise wrong("data", value, f"a string or bytes, because {content_type!r} is not JSON")
    return _json("data", value)


def _json(path: str, value: Any, depth: int = 0) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if re.search("[\ud800-\udfff]", value):
            raise wrong(path, value, "text without unpaired surrogates")
        return str(value)
    if isinstance(value, int):
        if value.bit_length() > _BITS:
            raise wrong(path, value, f"an integer of at most {_BITS} bits, or it is not read back")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise wrong(path, value, "finite: JSON has neither infinity nor NaN")
        return float(value)
    if depth >= _DEPTH:
        raise EventError(
            f"data: lists and dicts are in one another more than {_DEPTH} deep, or hold themselves"
        )
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise wrong(f"{path}, the key", key, "a string: JSON has no others")
        return FrozenDict(
            {_json(path, k): _json(f"{path}[{k!r}]", v, depth + 1) for k, v in value.items()}
        )
    if isinstance(value, list | tuple):
        return FrozenList(_json(f"{path}[{i}]", item, depth + 1) for i, item in enumerate(value))
    raise wrong(path, value, "JSON (None, bool, number, string, list, dict) or bytes")
