"""A snapshot: what a stream's events add up to at some version, kept so as not to add up again.

A snapshot is never the truth: it can be thrown away, and be worked out from the events.  So it is
kept after the events, in a transaction of its own, and only the newest of each name.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from ..events import Event
from .names import checked_name, stream_name
from .reading import whole
from .schema import EVENTS, SNAPSHOTS

if TYPE_CHECKING:
    from .eventstore import EventStore

__all__ = ["Snapshot", "fold", "save_snapshot", "snapshot"]


class Snapshot(NamedTuple):
    """The state that the first `version` events of a stream add up to."""

    state: Any
    version: int


def _one(stream: str, name: str) -> sa.ColumnElement[bool]:
    return sa.and_(
        SNAPSHOTS.c.stream == stream_name(stream),
        SNAPSHOTS.c.name == checked_name("name", name),
    )


def snapshot(store: EventStore, stream: str, name: str) -> Snapshot | None:
    """Return the snapshot of a stream under a name; see `EventStore.snapshot`."""
    query = sa.select(SNAPSHOTS.c.state, SNAPSHOTS.c.version).where(_one(stream, name))
    with store.reading() as connection:
        row = connection.execute(query).first()
    return None if row is None else Snapshot(json.loads(row.state), row.version)


def save_snapshot(store: EventStore, stream: str, name: str, state: Any, version: int) -> None:
    """Keep a state; see `EventStore.save_snapshot`."""
    text = _as_json(state)
    whole("version", version, 0)
    there = _one(stream, name)
    with store.transaction() as transaction:
        transaction.lock()  # two who keep the first snapshot at once would both insert it
        connection = transaction.connection
        newest = sa.select(sa.func.max(EVENTS.c.version)).where(EVENTS.c.stream == stream)
        has = connection.execute(newest).scalar() or 0
        if version > has:
            raise ValueError(f"version={version}: stream {stream!r} is only at version {has}")
        kept = connection.execute(sa.select(SNAPSHOTS.c.version).where(there)).scalar()
        if kept is None:
            row = {"stream": stream, "name": name, "version": version, "state": text}
            connection.execute(SNAPSHOTS.insert().values(row))
        elif kept < version:
            connection.execute(SNAPSHOTS.update().where(there).values(version=version, state=text))


def _as_json(state: Any) -> str:
    try:
        text = json.dumps(state, ensure_ascii=False, allow_nan=False)
        same = json.loads(text) == state
    except (TypeError, ValueError):
        same = False
    if not same:
        raise ValueError(
            f"state={state!r}: must be a JSON value (None, bool, number, string, list, dict with "
            "string keys), or it would come back as another"
        )
    return text


def fold(
    store: EventStore,
    stream: str,
    apply: Callable[[Any, Event], Any],
    initial: Any,
    *,
    name: str | None,
    every: int,
) -> Snapshot:
    """Return what a stream's events add up to; see `EventStore.fold`."""
    whole("every", every, 1)
    kept = None if name is None else snapshot(store, stream, name)
    state, version = (initial, 0) if kept is None else kept
    begun = version
    for recorded in store.read(stream, after=version):
        state, version = apply(state, recorded.event), recorded.version
    if name is not None and version - begun >= every:
        save_snapshot(store, stream, name, state, version)
    return Snapshot(state, version)
