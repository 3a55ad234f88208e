"""Starts each proxy on loopback, records its picks and writes ``data/balancing/``.

    python -m tools.recording --envoy PATH --haproxy PATH --nginx PATH --to data/balancing

Everything that it started is stopped before it ends.  Not run by the tests: what it wrote is
committed, and the tests read that.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import io
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from .exchange import BackEnds, record
from .hosts import LISTS, REQUESTS, keys
from .proxies import RECORDINGS, Recording, command, configuration
from .starts import start_of

PROXIES = ("envoy", "haproxy", "nginx")


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def version(proxy: str, program: str) -> str:
    """Return the version that `program` says it is."""
    flag = "--version" if proxy == "envoy" else "-v"
    said = subprocess.run([program, flag], capture_output=True, text=True, check=True)
    found = re.search(r"\d+\.\d+\.\d+\S*", said.stdout + said.stderr)
    if found is None:
        raise SystemExit(f"{program} {flag} names no version: {said.stdout}{said.stderr}")
    return found.group().split("/")[0]


async def listening(port: int, process: subprocess.Popen[bytes], proxy: str) -> None:
    """Wait until the proxy accepts connections; stop with a message when it has ended."""
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"{proxy} ended with {process.returncode} instead of listening")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise SystemExit(f"{proxy} did not listen on 127.0.0.1:{port} within 30 s")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a proxy, firmly if it does not go by itself."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a CSV, compressed if the name says so, the same bytes for the same rows."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(header)
    table.writerows(rows)
    data = text.getvalue().encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


async def record_one(
    back_ends: BackEnds, port: int, recording: Recording, folder: Path
) -> list[list[int]]:
    """Record one policy over its lists, write its file and return the picks, list by list."""
    sent = keys() if recording.keyed else [str(i) for i in range(REQUESTS)]
    columns = [
        await record(back_ends, port, recording.host(hosts), sent, hosts, recording.window)
        for hosts in recording.lists()
    ]
    header = ["key" if recording.keyed else "request", *(h.name for h in recording.lists())]
    rows = zip(sent, *columns, strict=True)
    write(folder / f"{recording.name}.csv.gz", header, rows)
    return columns


async def record_all(programs: dict[str, str], folder: Path) -> None:
    """Record every policy of every proxy and write all files."""
    hosts_rows = [
        (hosts.name, index, address, weight)
        for hosts in LISTS
        for index, (address, weight) in enumerate(zip(hosts.addresses, hosts.weights, strict=True))
    ]
    write(folder / "hosts.csv", ("list", "endpoint", "address", "weight"), hosts_rows)
    rows, starts = [], []
    for proxy, program in programs.items():
        port = free_port()
        async with AsyncExitStack() as until:
            scratch = until.enter_context(tempfile.TemporaryDirectory())
            back_ends = BackEnds()
            await back_ends.start(until)
            file = Path(scratch) / ("proxy.json" if proxy == "envoy" else "proxy.conf")
            file.write_text(configuration(proxy, port))
            process = subprocess.Popen(command(proxy, program, file))
            until.callback(stop, process)
            await listening(port, process, proxy)
            for recording in RECORDINGS:
                if recording.proxy == proxy:
                    columns = await record_one(back_ends, port, recording, folder)
                    if recording.scheduled:
                        busy = recording.policy.startswith("least-request")
                        for hosts, picks in zip(recording.lists(), columns, strict=True):
                            start = start_of(hosts.weights, picks, recording.window, busy)
                            starts.append((recording.name, hosts.name, start))
                    how = recording.settings
                    text = json.dumps(how) if isinstance(how, dict) else "; ".join(how)
                    about = (text + recording.server).replace(";;", ";")
                    rows.append((recording.name, version(proxy, program), recording.window, about))
                    print(recording.name, flush=True)
    write(folder / "starts.csv", ("file", "list", "start"), starts)
    write(folder / "recordings.csv", ("file", "version", "window", "settings"), rows)


def main() -> None:
    """Read the command line and record."""
    parser = argparse.ArgumentParser(prog="python -m tools.recording", description=__doc__)
    for proxy in PROXIES:
        parser.add_argument(f"--{proxy}", default=proxy, help="the program (default: on the path)")
    parser.add_argument("--to", type=Path, required=True, help="the folder that is written")
    arguments = parser.parse_args()
    programs = {proxy: shutil.which(getattr(arguments, proxy)) for proxy in PROXIES}
    missing = [proxy for proxy, program in programs.items() if program is None]
    if missing:
        sys.exit(f"not found: {', '.join(missing)}; name the programs with --{missing[0]} PATH")
    arguments.to.mkdir(parents=True, exist_ok=True)
    asyncio.run(record_all({k: str(v) for k, v in programs.items()}, arguments.to))


if __name__ == "__main__":
    main()
