"""Batch sources: arrivals that were recorded, and come again exactly as they came.

A record is a list of times that never go backwards and, if it was noted, how long each request's
work took.  Replaying it keeps what no distribution has: bursts, pauses, and which request was the
long one.  The same requests can then be sent at another design, which is how a change is judged by
the traffic that one really has.

Here is what all records share: a file is read once for as long as it does not change, it is never
corrected silently, and an error names file, line and column and says what was found.
"""

from __future__ import annotations

import gzip
import os
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..data import find_in_repository
from ..draws import Draws
from ..errors import PartError, TraceError
from ..parts import field, part, shown
from .base import OpenSource

__all__ = ["FileState", "Recorded", "Trace", "file_state", "shown_with_path", "text_lines"]


class Trace(NamedTuple):
    """What a record holds.

    Attributes
    ----------
    times : numpy.ndarray, shape (n,), float64
        Seconds since the start of the record; they never go backwards.
    service_times : numpy.ndarray, shape (n,), float64, or None
        Seconds of work that each request needs, if the record says so.
    """

    times: NDArray[np.float64]
    service_times: NDArray[np.float64] | None


class FileState(NamedTuple):
    """A file as it is now: when this changes, it must be read again."""

    path: str
    modified: int
    size: int


@part
class Recorded(OpenSource):
    """The base of sources that replay a file.

    The file is read when the source is first used, and again only when it has changed.
    """

    path: str | Path = field(kw_only=False)

    def __post_init__(self) -> None:
        OpenSource.__post_init__(self)
        object.__setattr__(self, "path", os.fspath(self.path))
        if not self.path:
            raise PartError("", "path", "is '', but must be the path of a file")

    def read(self) -> Trace:
        """Return what the file holds.

        Raises
        ------
        TraceError
            When the file cannot be read or holds something impossible.
        """
        try:
            return self._read(file_state(str(self.path)))
        except TraceError as error:
            raise TraceError(f"{type(self).__name__} {self.name!r}: {error}") from None

    def _read(self, file: FileState) -> Trace:
        raise NotImplementedError

    def times(self, draws: Draws) -> NDArray[np.float64]:
        """Return the arrival times of one run, seconds, shape (n,)."""
        return self.read().times

    def gaps(self, draws: Draws) -> Iterator[float]:
        """Yield the gaps; added up one after the other, they give the recorded times again."""
        return _gaps(self.times(draws).tolist())

    def carried(self) -> array[float] | None:
        """Return the service time of each request, or None if they were not recorded."""
        works = self.read().service_times
        return None if works is None else array("d", works.tobytes())

    def length(self) -> int:
        """Return how many requests were recorded."""
        return len(self.read().times)

    def long_run_rate(self) -> float | None:
        """Return the recorded requests per second up to the last; None if all are at time 0."""
        times = self.read().times
        return len(times) / float(times[-1]) if times[-1] > 0.0 else None


def _gaps(times: list[float]) -> Iterator[float]:
    """Yield gaps for a clock that adds each to the time it has reached.

    A gap is the difference to the time that the clock has reached, not to the time before in the
    list: then a sum that rounding put one unit in the last place off (which takes a gap longer
    than all the time before) is put right by the next gap, and does not stay off for ever.
    """
    now = before = 0.0
    for time in times:
        gap = time - now if time != before else 0.0
        now = now + gap
        before = time
        yield gap


def shown_with_path(source: Recorded) -> str:
    """Return the ``repr`` of a source, in which a file of the repository has no machine's path."""
    path = Path(source.path)
    text = shown(source)
    if path.is_absolute():
        for folder in path.parents:
            inside = path.relative_to(folder)
            if folder.name == "data" and find_in_repository(Path("data") / inside) == path:
                return text.replace(repr(source.path), f"data_path({inside.as_posix()!r})", 1)
    return text


def file_state(path: str) -> FileState:
    """Return the present state of the file at `path`.

    Raises
    ------
    TraceError
        When there is none, or it is empty or no file.
    """
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise TraceError(f"{path}: cannot be read: {_reason(error)}") from None
    if os.path.isdir(path):
        raise TraceError(f"{path}: is a directory, but must be a file")
    if status.st_size == 0:
        raise TraceError(f"{path}: is empty")
    return FileState(os.path.abspath(path), status.st_mtime_ns, status.st_size)


@contextmanager
def text_lines(path: str, errors: str = "strict") -> Iterator[IO[str]]:
    """Open a text file, gzipped if its name ends in ``.gz``, for reading line by line.

    Raises
    ------
    TraceError
        When reading fails, now or later inside the ``with`` block.
    """
    opened = gzip.open if path.lower().endswith(".gz") else open
    try:
        # newline="": the lines end as an editor sees them, and csv sees the ends inside quotes
        with opened(path, "rt", encoding="utf-8-sig", errors=errors, newline="") as lines:
            yield cast("IO[str]", lines)
    except EOFError:
        raise TraceError(f"{path}: is cut off: the gzip data has no end") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise TraceError(f"{path}: is not gzip data, or is damaged: {error}") from None
    except UnicodeDecodeError:
        raise _not_text(path) from None
    except OSError as error:
        raise TraceError(f"{path}: cannot be read: {_reason(error)}") from None


def _not_text(path: str) -> TraceError:
    opened = gzip.open if path.lower().endswith(".gz") else open
    with opened(path, "rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                byte = line[error.start]
                hint = "; it looks gzipped: then its name must end in .gz" if byte == 0x8B else ""
                return TraceError(
                    f"{path}, line {number}: holds the byte 0x{byte:02x}, but must be UTF-8{hint}"
                )
    return TraceError(f"{path}: must be UTF-8")


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
