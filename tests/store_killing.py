"""Processes that append to one store and are killed at random moments, and what must hold then.

``python -m tests.store_killing kill URL KILLS SEED`` and ``... race URL WRITERS EVENTS`` print a
line of counts, and then what went wrong.  They are programs of their own because they fork: a child
costs milliseconds then, not the second that importing takes.

A batch of events carries its writer, its number, its size, each event's place in it, and a digest.
A child tells of each batch that `append` has acknowledged through a pipe, which outlives it.
"""

from __future__ import annotations

import hashlib
import os
import random
import select
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator

import mesh_lab as ml
from mesh_lab.store import Recorded

STREAM = "all"
AT_ONCE = 4  # writers that are under way together
Batch = tuple[int, int]  # the writer, and the number of its batch


def batch(writer: int, number: int) -> list[ml.Event]:
    """Return the events of a batch: one to five, of up to some kilobytes."""
    size = 1 + (writer + number) % 5
    found = []
    for place in range(size):
        filler = f"{writer}.{number}.{place} " * (1 + 97 * ((writer + number + place) % 7))
        data = {
            **{"writer": writer, "batch": number, "size": size, "place": place},
            **{"filler": filler, "digest": hashlib.sha256(filler.encode()).hexdigest()},
        }
        name = f"{writer}-{number}-{place}"
        found.append(ml.Event(id=name, source="/writers", type=f"t{place}", data=data))
    return found


def faults(found: Iterable[Recorded], acknowledged: Iterable[Batch]) -> Iterator[str]:
    """Yield what is wrong with the events of a store, in words."""
    versions: dict[str, int] = defaultdict(int)
    places: dict[Batch, list[int]] = defaultdict(list)
    sizes: dict[Batch, int] = {}
    last: dict[int, int] = {}
    position = 0
    for recorded in found:
        position += 1
        if recorded.position != position:
            yield f"position {position} is missing: {recorded.position} follows"
            position = recorded.position
        versions[recorded.stream] += 1
        if recorded.version != versions[recorded.stream]:
            yield f"{recorded.stream}: version {versions[recorded.stream]} is missing"
            versions[recorded.stream] = recorded.version
        data = recorded.event.data
        if hashlib.sha256(data["filler"].encode()).hexdigest() != data["digest"]:
            yield f"position {position}: the data are not what was written"
        key = (data["writer"], data["batch"])
        if data["batch"] < last.get(data["writer"], 0):
            yield f"batch {key} comes after a later one of its writer"
        last[data["writer"]] = data["batch"]
        places[key].append(data["place"])
        sizes[key] = data["size"]
    for key, there in places.items():
        if there != list(range(sizes[key])):
            yield f"batch {key} is torn or doubled: it has the places {there} of {sizes[key]}"
    for key in acknowledged:
        if key not in places:
            yield f"batch {key} was acknowledged, and is missing"


def _forked(do: Callable[[int], None]) -> tuple[int, int]:
    """Start a child that is handed the writing end of a pipe; return its id and the reading end."""
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reads)
        try:
            do(writes)
        except BaseException as error:  # nothing may go on as the parent
            os.write(writes, f"! {type(error).__name__}: {error}\n".encode())
        os._exit(0)
    os.close(writes)
    return child, reads


def _told(reads: int) -> list[str]:
    """Return the whole lines that a child has told, to the end of its pipe."""
    told = b""
    while part := os.read(reads, 65536):
        told += part
    os.close(reads)
    return told.decode().split("\n")[:-1]


def _appends(url: str, writer: int) -> Callable[[int], None]:
    def do(writes: int) -> None:
        with ml.EventStore(url, timeout=60.0) as store:
            number = 0
            while True:
                number += 1
                store.append(STREAM, batch(writer, number))
                os.write(writes, f"{number}\n".encode())

    return do


def kill(url: str, kills: int, seed: int) -> list[str]:
    """Kill writers at random moments; return what is wrong, and print the counts."""
    draws = random.Random(seed)
    wrong, acknowledged = [], []
    ml.EventStore(url, timeout=60.0).close()
    writer = 0
    while writer < kills:
        running = []
        for _ in range(min(AT_ONCE, kills - writer)):
            writer += 1
            running.append((writer, *_forked(_appends(url, writer))))
        # each at a moment of its own after the first sign of life of any, often in the middle of
        # its first append, or of opening the store
        select.select([reads for _, _, reads in running], [], [], 60.0)
        for _, child, _ in running:
            time.sleep(draws.expovariate(1 / 0.012))
            os.kill(child, signal.SIGKILL)
        for name, child, reads in running:
            os.waitpid(child, 0)
            for line in _told(reads):
                if line.startswith("!"):
                    wrong.append(f"writer {name}: {line}")
                else:
                    acknowledged.append((name, int(line)))
    with ml.EventStore(url, timeout=60.0) as store:
        wrong += faults(store.read_all(), acknowledged)
        wrong += faults(store.read(STREAM), ())
        events = store.position
        if store.append(STREAM, batch(writer + 1, 1)).start != events + 1:
            wrong.append("the store does not go on where it was")
    print(f"{kills} killed, {len(acknowledged)} batches acknowledged, {events} events")
    return wrong


def _insists(url: str, writer: int, events: int) -> Callable[[int], None]:
    def do(writes: int) -> None:
        conflicts = 0
        with ml.EventStore(url, timeout=60.0) as store:
            for number in range(1, events + 1):
                (one,) = batch(-number, number)  # of size one
                one = ml.Event.from_dict({**one.to_dict(), "data": {**one.data, "writer": writer}})
                while True:
                    version = store.version(STREAM)
                    try:
                        store.append(STREAM, one, expected=version)
                        break
                    except ml.ConflictError as error:
                        conflicts += 1
                        if not error.expected == version < error.actual:
                            raise RuntimeError(f"a conflict over nothing: {error}") from None
                store.append(f"own-{writer}", batch(1000 + writer, number))
                os.write(writes, f"{number}\n".encode())
            os.write(writes, f"conflicts {conflicts}\n".encode())

    return do


def race(url: str, writers: int, events: int) -> list[str]:
    """Let writers insist on one stream while a reader follows; return what is wrong."""
    ml.EventStore(url, timeout=60.0).close()
    running = [(n, *_forked(_insists(url, n, events))) for n in range(1, writers + 1)]
    total = sum(1 + 1 + (1000 + n + k) % 5 for n, _, _ in running for k in range(1, events + 1))
    wrong, acknowledged, conflicts = [], [], 0
    seen: list[Recorded] = []
    with ml.EventStore(url, timeout=60.0) as store:
        # the reader sees every position, in order, while the writers commit
        for recorded in store.subscribe(poll=0.001, batch=7, idle=60.0):
            seen.append(recorded)
            if len(seen) == total:
                break
        for name, child, reads in running:
            os.waitpid(child, 0)
            for line in _told(reads):
                if line.startswith("!"):
                    wrong.append(f"writer {name}: {line}")
                elif line.startswith("conflicts"):
                    conflicts += int(line.split()[1])
                else:
                    acknowledged += [(name, int(line)), (1000 + name, int(line))]
        wrong += faults(seen, acknowledged)
        if store.version(STREAM) != writers * events:
            wrong.append(f"{STREAM} is at version {store.version(STREAM)}")
    several = Counter(recorded.position for recorded in seen)
    wrong += [f"position {position} was seen again" for position, n in several.items() if n > 1]
    print(f"{writers} writers, {len(seen)} events, {conflicts} conflicts")
    return wrong


def main() -> int:
    """Run what the command line says; return 1 if anything is wrong."""
    what, url, many, more = sys.argv[1:]
    wrong = (kill if what == "kill" else race)(url, int(many), int(more))
    for line in wrong[:20]:
        print(line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
