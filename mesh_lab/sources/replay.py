"""Replaying a table of requests: one row a request, its time in one column.

CSV is what RFC 4180 says (values separated by commas, quotes where needed) with a header in the
first line; a line number in an error counts the header as line 1, as an editor does.  Parquet has
no lines, so its rows are counted, from 1.
"""

from __future__ import annotations

import csv
import difflib
import functools
import gzip
from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import TraceError
from ..parts import Name, NonNegative, part
from .recorded import FileState, Recorded, Trace, shown_with_path, text_lines

__all__ = ["Replay"]

FloatArray = NDArray[np.float64]

ALLOWED = "must be a number of seconds, finite and at least 0"


@part
class Replay(Recorded):
    """A recorded trace: requests that arrive at the times of a table, and may bring their work.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    path : str or Path
        A CSV or Parquet file (``.csv``, ``.parquet``), either one also gzipped (``.gz``).  It is
        kept as given; a relative one starts at the working directory.
    time : str
        The column of arrival times, seconds; they may be equal, but never go backwards.
    service_time : str, optional
        The column of the seconds of work that each request needs.  The parts that serve them then
        leave their own ``service_time`` or ``work`` out.
    start : float
        The recorded time that is time 0 of the run, for clocks that do not begin at 0 (a trace in
        seconds since 1970 would otherwise begin with decades of silence).

    Notes
    -----
    The file is not read before the source is used: by ``scenario.check()`` or a run.  A
    `TraceError` then names the file, line and column of what is wrong; nothing is left out or
    corrected.  Back-pressure (``overflow="block"``) shifts what follows, because the recorded gaps
    are kept, not the recorded times.

    Examples
    --------
    >>> from mesh_lab import data_path
    >>> shop = Replay("shop", data_path("measured/requests.csv.gz"), to="orders",
    ...               time="scheduled_s", service_time="service_s")
    >>> shop.length(), round(shop.long_run_rate(), 1)
    (20954, 349.3)
    >>> shop.read().times[:3].tolist()
    [0.002914, 0.002987, 0.003906]
    """

    time: Name
    service_time: Name | None = None
    start: NonNegative = 0.0

    def _read(self, file: FileState) -> Trace:
        return _read(file, str(self.path), self.time, self.service_time, self.start)

    __repr__ = shown_with_path


@functools.lru_cache(maxsize=8)
def _read(file: FileState, path: str, time: str, service_time: str | None, start: float) -> Trace:
    """Read and check a table; remembered until the file changes."""
    names = [time] if service_time is None else [time, service_time]
    kind = path.lower().removesuffix(".gz")
    if kind.endswith(".csv"):
        columns = _csv(path, names)

        def where(row: int) -> str:
            return _line(path, row)
    elif kind.endswith(".parquet"):
        columns, where = _parquet(path, names), _row
    else:
        raise TraceError(
            f"{path}: is of an unknown kind; the name must end in .csv, .csv.gz, .parquet or "
            ".parquet.gz"
        )
    for name, values in zip(names, columns, strict=True):
        _check_seconds(path, name, values, where)
    times = columns[0]
    _check_order(path, time, times, start, where)
    times = times - start
    works = columns[1].copy() if service_time is not None else None
    for values in (times, works):
        if values is not None:
            values.flags.writeable = False
    return Trace(times, works)


def _csv(path: str, names: Sequence[str]) -> FloatArray:
    """Return the named columns of a CSV file, shape (len(names), rows)."""
    found = array("d")
    with text_lines(path) as lines:
        rows = csv.reader(lines, strict=True)
        header: list[str] = []
        row: list[str] = []
        try:
            header = next(rows, [])
            picked = [_position(path, header, name) for name in names]
            width = len(header)
            for row in rows:
                if len(row) != width:
                    raise _ragged(path, _line(path, len(found) // len(names)), row, header)
                found.extend([float(row[i]) for i in picked])
        except csv.Error as error:
            where = _line(path, len(found) // len(names)) if header else "line 1"
            raise TraceError(f"{path}, {where}: is not CSV: {error}") from None
        except ValueError as error:
            if isinstance(error, UnicodeDecodeError | TraceError):
                raise
            raise _malformed(path, found, names, [row[i] for i in picked]) from None
    if not found:
        raise TraceError(f"{path}: has a header but no rows")
    return np.frombuffer(found, dtype=np.float64).reshape(-1, len(names)).T


def _position(path: str, header: Sequence[str], name: str) -> int:
    if header.count(name) == 1:
        return header.index(name)
    if name in header:
        raise TraceError(f"{path}: has {header.count(name)} columns called {name!r}")
    close = difflib.get_close_matches(name, header, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    there = ", ".join(repr(column) for column in header) or "none"
    raise TraceError(f"{path}: has no column {name!r}{hint}; its columns are: {there}")


def _ragged(path: str, where: str, row: Sequence[str], header: Sequence[str]) -> TraceError:
    if not row:
        return TraceError(f"{path}, {where}: is empty, but must have {len(header)} values")
    return TraceError(
        f"{path}, {where}: has {len(row)} value{'s' * (len(row) != 1)}, but the header has "
        f"{len(header)}"
    )


def _malformed(
    path: str, found: Sequence[float], names: Sequence[str], row: Sequence[str]
) -> TraceError:
    """Return the error for the first of the `row`'s values that is not a number."""
    where = _line(path, len(found) // len(names))
    for name, text in zip(names, row, strict=True):
        try:
            float(text)
        except ValueError:
            return TraceError(f"{path}, {where}, column {name!r}: is {text!r}, but {ALLOWED}")
    raise AssertionError("one of them was refused a moment ago")


def _starts(path: str) -> Iterator[int]:
    """Yield the line on which each record of a CSV file begins (quoted values may span several)."""
    with text_lines(path) as lines:
        rows = csv.reader(lines)
        yield 1
        for _ in rows:
            yield rows.line_num + 1


def _line(path: str, row: int) -> str:
    """Return where row `row` of a CSV file is, for an error; this reads the file again."""
    for record, line in enumerate(_starts(path)):
        if record == row + 1:  # record 0 is the header
            return f"line {line}"
    raise AssertionError("the row was read a moment ago")


def _row(row: int) -> str:
    return f"row {row + 1}"


def _parquet(path: str, names: Sequence[str]) -> FloatArray:
    """Return the named columns of a Parquet file, shape (len(names), rows)."""
    import pyarrow as pa  # imported when needed: it takes longer than the package
    import pyarrow.parquet as pq

    try:
        source: Any = path
        if path.lower().endswith(".gz"):
            with gzip.open(path) as packed:
                source = pa.BufferReader(packed.read())
        with pq.ParquetFile(source) as file:
            for name in names:
                _position(path, file.schema_arrow.names, name)
            table = file.read(columns=list(names))
    except EOFError:
        raise TraceError(f"{path}: is cut off: the gzip data has no end") from None
    except (OSError, pa.ArrowException) as error:
        raise TraceError(f"{path}: is not a Parquet file, or is damaged: {error}") from None
    if not table.num_rows:
        raise TraceError(f"{path}: has columns but no rows")
    return np.array([_numbers(path, name, table.column(name)) for name in names])


def _numbers(path: str, name: str, column: Any) -> FloatArray:
    import pyarrow as pa

    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise TraceError(f"{path}, column {name!r}: is of type {kind}, but {ALLOWED}")
    if column.null_count:
        row = column.is_null().index(True).as_py()
        raise TraceError(f"{path}, {_row(row)}, column {name!r}: is missing, but {ALLOWED}")
    try:
        values: FloatArray = column.cast(pa.float64()).to_numpy()
    except pa.ArrowInvalid as error:
        raise TraceError(f"{path}, column {name!r}: {error}, but {ALLOWED}") from None
    return values


def _check_seconds(path: str, name: str, values: FloatArray, where: Callable[[int], str]) -> None:
    wrong = ~((values >= 0.0) & (values < np.inf))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TraceError(
            f"{path}, {where(row)}, column {name!r}: is {float(values[row])!r}, but {ALLOWED}"
        )


def _check_order(
    path: str, name: str, times: FloatArray, start: float, where: Callable[[int], str]
) -> None:
    backwards = times[1:] < times[:-1]
    if backwards.any():
        row = int(np.argmax(backwards)) + 1
        raise TraceError(
            f"{path}, {where(row)}, column {name!r}: is {float(times[row])!r}, but "
            f"{where(row - 1)} has {float(times[row - 1])!r}; times must not go backwards"
        )
    if times[0] < start:
        raise TraceError(
            f"{path}, {where(0)}, column {name!r}: is {float(times[0])!r}, which is before "
            f"start={start!r}"
        )
