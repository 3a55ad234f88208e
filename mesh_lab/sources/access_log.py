r"""Replaying a web server's access log: the Common and the Combined Log Format.

Apache calls ``%h %l %u %t "%r" %>s %b`` the Common Log Format; with the referer and the user agent
after it, it is the Combined one, which is also nginx's default.  The time is written as
``[10/Oct/2000:13:55:36 -0700]``.  (Apache HTTP Server documentation, "Log Files" and
"mod_log_config"; nginx documentation, "ngx_http_log_module".)

Three things about such a log are easily overlooked, and each is a decision of whoever replays it:

* **It knows only whole seconds.**  Where inside its second a request came has to be assumed, and
  waiting depends on it.  See `AccessLog`'s ``spread``.
* **A line is written when its request has ended.**  Apache's time is when the request was received,
  so its lines are not in the order of their times; nginx's ``$time_local`` is when the line was
  written.  See ``unordered``.
* **The time that a server took is no service time.**  nginx's ``$request_time`` and Apache's ``%D``
  include all waiting.  They may stand for service times only if the server was almost idle.
"""

from __future__ import annotations

import datetime
import functools
import re
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..draws import CHUNK, Draws
from ..errors import PartError, TraceError
from ..parts import Name, Positive, part
from .recorded import FileState, Recorded, Trace, shown_with_path, text_lines

__all__ = ["AccessLog"]

Floats = NDArray[np.float64]

_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*"'  # Apache writes \" for a quote, nginx \x22
_LINE = re.compile(rf"\S+ [^\[\"]*\[([^\]]*)\] {_QUOTED} (?:\d{{3}}|-) (?:\d+|-)(?: (.*))?")
_TIME = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)([0-5]\d)")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_LONGEST = 100  # characters of a wrong line that an error repeats


@part
class AccessLog(Recorded):
    r"""The requests of a web server's access log, in Common or Combined Log Format.

    Time 0 of the run is the second of the earliest request.

    Parameters
    ----------
    name, to, priority, deadline, key, subject
        As for `Poisson`.
    path : str or Path
        The log, also gzipped (``.gz``).  It is kept as given; a relative one starts at the working
        directory.
    spread : str
        Where the requests of one second are put inside it.  ``"random"``, the default: anywhere,
        independently of one another, which is how those of a Poisson process lie when only their
        number is known.  ``"even"``: at equal distances, smoother than independent requests are,
        so that they wait less.  ``"none"``: all at the start of the second, as the log says, in
        one burst, so that they wait more.
    unordered : str
        ``"error"``, the default: lines whose times go backwards are refused.  ``"sort"``: they are
        put in the order of their times, as an Apache log needs.
    service_time : str, optional
        A regular expression with one group, which finds the seconds of work in what follows the
        size of the response: ``r"(\S+)$"`` is the last word of the line, where nginx's
        ``$request_time`` is often put.
    unit : float
        The seconds in one unit of that number: 1e-6 for Apache's ``%D``.

    Examples
    --------
    >>> AccessLog("web", "access.log.gz", to="site", unordered="sort")
    AccessLog('web', 'access.log.gz', to='site', unordered='sort')
    """

    spread: Literal["random", "even", "none"] = "random"
    unordered: Literal["error", "sort"] = "error"
    service_time: Name | None = None
    unit: Positive = 1.0

    def __post_init__(self) -> None:
        Recorded.__post_init__(self)
        if self.service_time is None:
            return
        try:
            groups = re.compile(self.service_time).groups
        except re.error as error:
            raise PartError(
                "", "service_time", f"is {self.service_time!r}, no regular expression: {error}"
            ) from None
        if groups != 1:
            raise PartError(
                "",
                "service_time",
                f"is {self.service_time!r}, but must have one group, in parentheses, around the "
                f"number; it has {groups}",
            )

    def _read(self, file: FileState) -> Trace:
        return _read(file, str(self.path), self.unordered, self.service_time, self.unit)

    def times(self, draws: Draws) -> Floats:
        """Return the arrival times of one run, seconds, shape (n,)."""
        seconds = self.read().times
        if self.spread == "none":
            return seconds
        if self.spread == "even":
            return seconds + _evenly(seconds)
        column = draws.column("uniform", self.name, "spread", self.name)
        chunks = range((len(seconds) + CHUNK - 1) // CHUNK)
        drawn: Floats = np.concatenate([column.chunk(i) for i in chunks])[: len(seconds)]
        inside: Floats = drawn[np.lexsort((drawn, seconds))]  # in order within each second
        return seconds + inside

    def long_run_rate(self) -> float:
        """Return the requests per second, over all seconds from the first to the last."""
        seconds = self.read().times
        return len(seconds) / (float(seconds[-1]) + 1.0)

    __repr__ = shown_with_path


def _evenly(seconds: Floats) -> Floats:
    """Return the middle of each request's share of its second: 1/4 and 3/4 if there are two."""
    starts = np.flatnonzero(np.diff(seconds, prepend=-1.0))
    sizes = np.diff(starts, append=len(seconds))
    rank = np.arange(len(seconds)) - np.repeat(starts, sizes)
    return np.asarray((rank + 0.5) / np.repeat(sizes, sizes), dtype=np.float64)


@functools.lru_cache(maxsize=8)
def _read(
    file: FileState, path: str, unordered: str, service_time: str | None, unit: float
) -> Trace:
    """Read and check a log; remembered until the file changes."""
    find = None if service_time is None else re.compile(service_time)
    known: dict[str, int] = {}  # a busy log has many lines in one second
    stamps: list[int] = []
    works: list[float] = []
    with text_lines(path, errors="surrogateescape") as lines:
        for number, line in enumerate(lines, start=1):
            match = _LINE.fullmatch(line.rstrip("\r\n"))
            if match is None:
                raise TraceError(f"{path}, line {number}: {_no_line(line)}")
            stamp, rest = match.groups()
            if stamp not in known:
                known[stamp] = _seconds(path, number, stamp)
            stamps.append(known[stamp])
            if find is not None:
                works.append(_work(path, number, find, rest or "", unit))
    if not stamps:
        raise TraceError(f"{path}: is empty")
    if unordered == "error":
        _check_order(path, stamps)
    order = np.argsort(stamps, kind="stable")
    # whole numbers are taken away before they become floats, so nothing is rounded
    times = (np.array(stamps)[order] - min(stamps)).astype(np.float64)
    carried = None if find is None else np.array(works)[order]
    for values in (times, carried):
        if values is not None:
            values.flags.writeable = False
    return Trace(times, carried)


def _no_line(line: str) -> str:
    line = line.rstrip("\r\n")
    shown = ascii(line) if len(line) <= _LONGEST else f"{line[:_LONGEST]!a}..."
    return (
        f"is {shown}, but must be of the Common or Combined Log Format: "
        'host ident user [10/Oct/2000:13:55:36 -0700] "request" status size ...'
    )


def _seconds(path: str, number: int, stamp: str) -> int:
    """Return the seconds since 1970, in UTC: its offset says how far a local time is ahead."""
    match = _TIME.fullmatch(stamp)
    try:
        if match is None or match[2] not in _MONTHS:
            raise ValueError("it must look like 10/Oct/2000:13:55:36 -0700")
        day, month, year, hour, minute, second, sign, hours, minutes = match.groups()
        local = datetime.datetime(
            int(year),
            _MONTHS.index(month) + 1,
            int(day),
            int(hour),
            int(minute),
            int(second),
            tzinfo=datetime.UTC,
        )
    except ValueError as error:
        raise TraceError(
            f"{path}, line {number}: the time {stamp!a} is impossible: {error}"
        ) from None
    ahead = (int(hours) * 60 + int(minutes)) * 60
    return int(local.timestamp()) - (ahead if sign == "+" else -ahead)


def _work(path: str, number: int, find: re.Pattern[str], rest: str, unit: float) -> float:
    match = find.search(rest)
    if match is None or match[1] is None:
        raise TraceError(
            f"{path}, line {number}, service_time: {find.pattern!r} finds nothing in "
            f"{rest[-_LONGEST:]!a}, which follows the size"
        )
    try:
        work = float(match[1]) * unit
    except ValueError:
        work = -1.0
    if not 0.0 <= work < float("inf"):
        raise TraceError(
            f"{path}, line {number}, service_time: is {match[1]!a}, but must be a number, "
            "finite and at least 0"
        )
    return work


def _check_order(path: str, stamps: list[int]) -> None:
    for number, (before, now) in enumerate(pairwise(stamps), start=2):
        if now < before:
            raise TraceError(
                f"{path}, line {number}: is {before - now} s earlier than line {number - 1}; if "
                "that is because lines are written when requests end (as Apache does), say "
                "unordered='sort'"
            )
