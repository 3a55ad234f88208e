"""Databases for the tests of the event store, and a word about those that were not there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .store_servers import SERVERS, NoServerError, database, serve

NOT_THERE = "the event store was not tested on "


@pytest.fixture(scope="session")
def server() -> Iterator[Callable[[str], str]]:
    """Return what gives the URL of a server, started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        found: dict[str, str | NoServerError] = {}

        def url_of(which: str) -> str:
            if which not in found:
                try:
                    found[which] = stack.enter_context(serve(which))
                except NoServerError as error:
                    found[which] = error
            url = found[which]
            if isinstance(url, NoServerError):
                pytest.skip(f"{NOT_THERE}{which}: {url}")
            return url

        yield url_of


def new_database(which: str, server: Callable[[str], str], folder: Path) -> Iterator[str]:
    """Yield the URL of a new database of a kind."""
    if which == "memory":
        yield "sqlite://"
    elif which == "sqlite":
        yield f"sqlite:///{folder / 'events.db'}"
    else:
        with database(server(which)) as url:
            yield url


@pytest.fixture(params=["memory", "sqlite", *SERVERS])
def url(
    request: pytest.FixtureRequest, server: Callable[[str], str], tmp_path: Path
) -> Iterator[str]:
    """The URL of a new database, of each kind in turn."""
    yield from new_database(request.param, server, tmp_path)


@pytest.fixture(params=["sqlite", *SERVERS])
def shared_url(
    request: pytest.FixtureRequest, server: Callable[[str], str], tmp_path: Path
) -> Iterator[str]:
    """The URL of a new database that several processes can open."""
    yield from new_database(request.param, server, tmp_path)


@pytest.fixture(params=SERVERS)
def server_url(
    request: pytest.FixtureRequest, server: Callable[[str], str], tmp_path: Path
) -> Iterator[str]:
    """The URL of a new database on each of the servers."""
    yield from new_database(request.param, server, tmp_path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which databases were not there, each once."""
    reasons = {
        str(report.longrepr[2]).removeprefix("Skipped: ")
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple)
    }
    for reason in sorted(reasons):
        if reason.startswith(NOT_THERE):
            terminalreporter.write_line(reason, yellow=True)
