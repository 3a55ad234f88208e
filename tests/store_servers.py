"""MariaDB and PostgreSQL for the tests of the event store, started from Debian's packages.

Each server gets a new data folder in a temporary place, a free port on loopback, and nobody else's
settings; it is stopped, and its folder removed, when the tests end.  Servers do not run as root: as
root they are started as the user `nobody`.  The tests' servers do not wait for the disk, which only
a power cut could tell; those of the benchmarks do, as a server does by itself.

``python -m tests.store_servers COMMAND ...`` runs a command with ``MESH_LAB_MARIADB`` and
``MESH_LAB_POSTGRESQL`` set to their URLs, and so can the tests use servers that run already.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

SERVERS = ("mariadb", "postgresql")
DRIVER = {"mariadb": "pymysql", "postgresql": "psycopg"}
WAIT = 60.0  # seconds for a server to answer; a slow machine may need ten


class NoServerError(RuntimeError):
    """A server cannot be started; the message says why."""


def _program(name: str, *folders: str) -> str:
    """Return the path of a program that need not be on the path."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *folders]))
    if found is None:
        raise NoServerError(f"there is no program {name}")
    return found


def _postgresql_folders() -> list[str]:
    found = Path("/usr/lib/postgresql").glob("*/bin")
    return sorted(map(str, found), key=lambda path: int(Path(path).parent.name), reverse=True)


def _apart(folder: Path) -> dict[str, Any]:
    """Return how a program is started apart from others: in a folder, and not as root."""
    # MariaDB's temporary tables have names that a second server would take as well
    how: dict[str, Any] = {"cwd": folder, "env": {**os.environ, "TMPDIR": str(folder)}}
    if os.geteuid() == 0:
        them = pwd.getpwnam("nobody")
        how |= {"user": them.pw_uid, "group": them.pw_gid, "extra_groups": []}
    return how


def free_port() -> int:
    """Return a port on loopback that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _run(command: Sequence[str], folder: Path) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, errors="replace", **_apart(folder)
    )
    if done.returncode:
        raise NoServerError(f"{command[0]} failed: {(done.stderr or done.stdout)[-500:]}")


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mesh_lab-server-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam("nobody").pw_uid, pwd.getpwnam("nobody").pw_gid)
        yield folder


@contextlib.contextmanager
def _served(
    command: Sequence[str], folder: Path, stop: signal.Signals, answers: Callable[[], object]
) -> Iterator[None]:
    """Run a server until the body is left; `answers` raises while the server does not answer."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, **_apart(folder))
    try:
        until = time.monotonic() + WAIT
        while True:
            try:
                answers()
                break
            except Exception as error:
                if server.poll() is not None or time.monotonic() > until:
                    said = (folder / "server.log").read_text(errors="replace")[-500:]
                    raise NoServerError(f"{command[0]} does not answer: {error}; {said}") from None
                time.sleep(0.1)
        yield
    finally:
        server.send_signal(stop)
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextlib.contextmanager
def postgresql(durable: bool) -> Iterator[str]:
    """Give the URL of a PostgreSQL of our own."""
    folders = _postgresql_folders()
    initdb, postgres = _program("initdb", *folders), _program("postgres", *folders)
    with _folder() as folder:
        data, port = folder / "data", free_port()
        options = ("--auth=trust", "--encoding=UTF8", "--locale=C", "--username=postgres")
        _run([initdb, f"--pgdata={data}", *options, "--no-sync"], folder)
        url = f"postgresql+psycopg://postgres@127.0.0.1:{port}/postgres"
        settings = (
            f"port={port}",
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            "max_connections=50",
            *(() if durable else ("fsync=off",)),
        )
        command = [postgres, "-D", str(data), *(x for s in settings for x in ("-c", s))]
        # a fast shutdown: connections that are left are ended
        with _served(command, folder, signal.SIGINT, functools.partial(_ask, url)):
            yield url


@contextlib.contextmanager
def mariadb(durable: bool) -> Iterator[str]:
    """Give the URL of a MariaDB of our own."""
    server = _program("mariadbd", "/usr/sbin")
    install = _program("mariadb-install-db", "/usr/bin")
    with _folder() as folder:
        data, port = folder / "data", free_port()
        _run(
            [
                *(install, "--no-defaults", f"--datadir={data}", "--skip-test-db"),
                f"--tmpdir={folder}",
                "--auth-root-authentication-method=normal",
            ],
            folder,
        )
        command = [
            *(server, "--no-defaults", f"--datadir={data}", "--bind-address=127.0.0.1"),
            *(f"--port={port}", f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}"),
            "--skip-name-resolve",
            f"--tmpdir={folder}",
            *(() if durable else ("--innodb-flush-log-at-trx-commit=0",)),
        ]
        url = f"mysql+pymysql://root@127.0.0.1:{port}/mysql"
        with _served(command, folder, signal.SIGTERM, functools.partial(_ask, url)):
            yield url


def _ask(url: str) -> None:
    import sqlalchemy as sa

    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")


@contextlib.contextmanager
def serve(which: str, *, durable: bool = False) -> Iterator[str]:
    """Give the URL of a server: of one that runs already, or of one that is started.

    Raises
    ------
    NoServerError
        When it cannot be had.
    """
    if importlib.util.find_spec(DRIVER[which]) is None:
        raise NoServerError(f"the driver {DRIVER[which]} is not installed")
    given = os.environ.get(f"MESH_LAB_{which.upper()}")
    if given:
        yield given
        return
    if os.name == "nt":
        raise NoServerError("servers are started on Unix only")
    with mariadb(durable) if which == "mariadb" else postgresql(durable) as url:
        yield url


@contextlib.contextmanager
def database(url: str) -> Iterator[str]:
    """Make a new database on a server, and give its URL; it is dropped afterwards."""
    import sqlalchemy as sa

    name = f"mesh_lab_{secrets.token_hex(6)}"
    engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    text = "" if engine.dialect.name == "postgresql" else " CHARACTER SET utf8mb4"
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}{text}")
    try:
        there = sa.make_url(url).set(database=name)
        yield there.render_as_string(hide_password=False)
    finally:
        force = " WITH (FORCE)" if engine.dialect.name == "postgresql" else ""
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")


def main() -> int:
    """Start what can be started, and run a command with it."""
    with contextlib.ExitStack() as stack:
        environment = dict(os.environ)
        for which in SERVERS:
            try:
                environment[f"MESH_LAB_{which.upper()}"] = stack.enter_context(
                    serve(which, durable=True)
                )
            except NoServerError as error:
                print(f"without {which}: {error}", flush=True)
        return subprocess.call(sys.argv[1:], env=environment)


if __name__ == "__main__":
    sys.exit(main())
