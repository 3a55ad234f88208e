"""What a database refuses, said for people: which store, what happened, what to do.

The tables below are the codes of SQLite (https://www.sqlite.org/rescode.html), of MySQL and MariaDB
(the server error message reference) and of PostgreSQL (appendix "Error Codes").  An error that is
in none of them is the user's own (a slip in SQL, a constraint of a table) and stays what it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import exc

from ..errors import StoreError

__all__ = ["refusal", "refused", "unknown"]

# reason: (what happened, what to do)
_SAYS = {
    "full": (
        "there is no room left (disk, quota or limit); nothing of this was kept",
        "make room, then do it again: the store goes on where it was",
    ),
    "locked": (
        "somebody else held the database, or a row of it, for longer than timeout={timeout:g} s; "
        "nothing of this was kept",
        "do it again, give a longer timeout=, or look who keeps a transaction open",
    ),
    "deadlock": (
        "two transactions waited for each other, and the database ended this one; nothing of it "
        "was kept",
        "do it again; transactions that append before they change other rows do not meet this",
    ),
    "read-only": (
        "it cannot be written: the file, its folder or the server is read-only",
        "read from it, or allow writing and open it again",
    ),
    "denied": (
        "the server does not let this user do that",
        "check user and password in the URL, and what the user was granted",
    ),
    "missing": (
        "it cannot be opened: there is no such file or database, or it may not be read",
        "check the path or the name in the URL; a server's database must be made first",
    ),
    "foreign": (
        "the file is not an SQLite database",
        "give another path; nothing was changed",
    ),
    "disk": (
        "the file could not be read or written: an error of the disk, or a quota or limit on files",
        "look to that, then read the stream to see what is kept, before you append again",
    ),
    "damaged": (
        "the database file is damaged",
        "stop writing, and restore it from a copy",
    ),
    "unreachable": (
        "nothing answers there",
        "check host and port in the URL, and that the server runs",
    ),
    "lost": (
        "the connection was lost; nothing of this was kept",
        "do it again: the store connects anew",
    ),
    "unknown": (
        "the connection was lost while the transaction was being committed, so it may be kept or "
        "not",
        "read the stream to see, before you append again",
    ),
    "too large": (
        "a value is too large for the database",
        "keep large data elsewhere and its address in the event, or raise the server's limit",
    ),
    "busy": (
        "its connections were all in use for timeout={timeout:g} s",
        "inside a transaction use its own methods; otherwise end transactions sooner",
    ),
}

_SQLITE = {
    "SQLITE_FULL": "full",
    "SQLITE_BUSY": "locked",
    "SQLITE_LOCKED": "locked",
    "SQLITE_PROTOCOL": "locked",
    "SQLITE_READONLY": "read-only",
    "SQLITE_PERM": "read-only",
    "SQLITE_CANTOPEN": "missing",
    "SQLITE_NOTADB": "foreign",
    "SQLITE_CORRUPT": "damaged",
    "SQLITE_IOERR": "disk",
    "SQLITE_IOERR_CORRUPTFS": "damaged",
    "SQLITE_IOERR_DATA": "damaged",
    "SQLITE_TOOBIG": "too large",
}
_MYSQL = {
    **dict.fromkeys((1021, 1041, 1114, 3), "full"),
    1205: "locked",
    1213: "deadlock",
    **dict.fromkeys((1290, 1792, 1836), "read-only"),
    **dict.fromkeys((1044, 1045, 1142, 1143, 1227, 1698), "denied"),
    1049: "missing",
    **dict.fromkeys((2002, 2003, 2005), "unreachable"),
    **dict.fromkeys((1053, 1077, 1184, 1927, 2006, 2013, 2055), "lost"),
    **dict.fromkeys((1153, 1301, 1406), "too large"),
}
_POSTGRESQL = {
    **dict.fromkeys(("53100", "53200"), "full"),
    "55P03": "locked",
    "40P01": "deadlock",
    "25006": "read-only",
    **dict.fromkeys(("42501", "28000", "28P01"), "denied"),
    "3D000": "missing",
    **dict.fromkeys(("08000", "08003", "08006", "57P01", "57P02", "25P03", "57P05"), "lost"),
    **dict.fromkeys(("08001", "08004", "57P03", "53300"), "unreachable"),
    **dict.fromkeys(("22001", "54000", "54001"), "too large"),
}


def _reason(error: exc.DBAPIError) -> str | None:
    """Return which of the known reasons a database's error is."""
    orig: Any = error.orig
    name = getattr(orig, "sqlite_errorname", None)
    if isinstance(name, str):
        while name and name not in _SQLITE:  # SQLITE_BUSY_SNAPSHOT is a kind of SQLITE_BUSY
            name = name.rpartition("_")[0]
        return _SQLITE.get(name)
    arguments = getattr(orig, "args", ())
    if arguments and isinstance(arguments[0], int):
        return _MYSQL.get(arguments[0])
    state = getattr(orig, "sqlstate", None)
    if isinstance(state, str):
        return _POSTGRESQL.get(state)
    if error.connection_invalidated:
        return "lost"
    text = str(orig).lower()  # libpq gives no code for what happens before there is a session
    if type(orig).__module__.startswith("psycopg") and type(orig).__name__ == "OperationalError":
        if "does not exist" in text:
            return "missing"
        if "password" in text or "authentication" in text or "no pg_hba.conf" in text:
            return "denied"
        return "unreachable" if "connection failed" in text or "connect" in text else "lost"
    return None


def refusal(error: exc.SQLAlchemyError, store: str, timeout: float) -> StoreError | None:
    """Return the error for people; None if it is not one of those that a store knows."""
    if isinstance(error, exc.TimeoutError):
        reason, detail = "busy", ""
    elif isinstance(error, exc.DBAPIError):
        found = _reason(error)
        if found is None:
            return None
        reason, detail = found, str(error.orig)
    else:
        return None
    problem, advice = _SAYS[reason]
    detail = " ".join(detail.split())
    said = f" ({detail})" if detail else ""
    return StoreError(store, reason, problem.format(timeout=timeout) + said, advice)


@contextlib.contextmanager
def refused(store: str, timeout: float) -> Iterator[None]:
    """Raise `StoreError` for what the database refuses inside."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        known = refusal(error, store, timeout)
        if known is None:
            raise
        raise known from error


def unknown(store: str) -> StoreError:
    """Return the error for a commit whose answer was lost."""
    return StoreError(store, "unknown", *_SAYS["unknown"])
