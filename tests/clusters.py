"""Clusters under test: sources whose operations begin at given times."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import mesh_lab as ml


def at(folder: Path, name: str, times: Iterable[float]) -> ml.Replay:
    """Return a source of operations on the cluster "db" that begin at these times."""
    path = folder / f"{name}.csv"
    path.write_text("time\n" + "".join(f"{time!r}\n" for time in times))
    return ml.Replay(name, str(path), time="time", to="db")


def one_key() -> ml.Keys:
    return ml.Keys(1)


def only(name: str, names: Iterable[str], begin: float, end: float) -> tuple[ml.Change, ...]:
    """Return the changes that leave one node up from `begin` to `end`: it must coordinate."""
    others = [other for other in names if other != name]
    return (
        *(ml.Fail(at=begin, endpoint=other) for other in others),
        *(ml.Recover(at=end, endpoint=other) for other in others),
    )
