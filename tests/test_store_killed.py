"""Processes are killed while they append, and eight write to one stream at once: nothing is lost.

``MESH_LAB_KILLS=200 pytest tests/test_store_killed.py`` kills as many on each database that is
there; without it 20 on SQLite, and 8 on a server, whose part in this is small: it undoes what a
dead client had begun.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab.store import Recorded, rows

from . import store_killing
from .store_killing import batch, faults

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


def run(*arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tests.store_killing", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_writers_lose_nothing_acknowledged_and_leave_nothing_half(shared_url: str) -> None:
    usual = 20 if shared_url.startswith("sqlite") else 8
    kills = int(os.environ.get("MESH_LAB_KILLS", usual))
    said = run("kill", shared_url, kills, 1)
    print(said)
    assert said.startswith(f"{kills} killed")
    acknowledged = int(said.split(", ")[1].split()[0])
    assert acknowledged >= kills // 4  # they were killed while they appended, not before


def test_eight_writers_on_one_stream_while_a_reader_follows(shared_url: str) -> None:
    said = run("race", shared_url, 8, 10)
    print(said)
    assert said.startswith("8 writers, 320 events, ")


def test_of_eight_writers_in_lock_step_one_is_kept_each_time(shared_url: str) -> None:
    together = threading.Barrier(8)
    ends: list[str] = []

    def write(name: int) -> None:
        with ml.EventStore(shared_url, timeout=60.0) as store:
            for _ in range(5):
                version = store.version("all")
                together.wait(60)  # all have decided on the same version
                try:
                    store.append(
                        "all", ml.Event(id=f"{name}", source="/w", type="t"), expected=version
                    )
                    ends.append("kept")
                except ml.ConflictError as error:
                    ends.append(f"{error.expected} {error.actual}")
                together.wait(60)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    expected = ["kept"] * 5 + [f"{n} {n + 1}" for n in range(5) for _ in range(7)]
    assert Counter(ends) == Counter(expected)


def kept(*batches: tuple[int, int]) -> list[Recorded]:
    """Return some batches as a store would keep them."""
    events = [event for one in batches for event in batch(*one)]
    return [rows.decode((n, "all", n, *rows.encode(event, 0))) for n, event in enumerate(events, 1)]


WHOLE = kept((1, 1), (2, 1), (1, 2), (1, 3))


@pytest.mark.parametrize(
    ("found", "acknowledged", "said"),
    [
        (WHOLE, [(1, 4)], ["batch (1, 4) was acknowledged, and is missing"]),
        (kept((1, 1), (1, 3), (1, 2)), [], ["batch (1, 2) comes after a later one"]),
        (WHOLE[:-1], [], ["batch (1, 3) is torn"]),
        (WHOLE[:3] + WHOLE[4:], [], ["position 4 is missing", "version 4 is", "(2, 1) is torn"]),
        (
            [one._replace(version=one.version + (one.version > 5)) for one in WHOLE],
            [],
            ["all: version 6 is missing"],
        ),
    ],
)
def test_what_would_be_wrong_is_found(
    found: list[Recorded], acknowledged: list[Any], said: list[str]
) -> None:
    there = list(faults(found, acknowledged))
    assert len(there) == len(said)
    for line, part in zip(there, said, strict=True):
        assert part in line


def test_what_is_right_is_not_found_wrong() -> None:
    assert list(faults(WHOLE, [(1, 1), (2, 1), (1, 2), (1, 3)])) == []
    assert store_killing.AT_ONCE > 1
