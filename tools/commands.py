"""What ``make lab``, ``make test`` and the other commands do, step by step, each saying so.

Every command sets up what is missing first.  `test` runs all of its steps even when one fails, so
that one run shows everything there is to mend, and ends with a line that names what failed.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .environment import ROOT, SetupError, ensure

__all__ = ["TEST_STEPS", "Step", "jupyter_command", "main"]

Ensure = Callable[..., Path]
DIFFERENTIALS = tuple(f"tests.differential_{of}" for of in ("compiled", "graph", "log", "queue"))
FIRST_NOTEBOOK = "notebooks/00_start_here.ipynb"


@dataclass(frozen=True)
class Step:
    """One step of `test`: what it says, and what it asks the environment's Python to run."""

    says: str
    runs: tuple[str, ...]


TEST_STEPS = (
    Step("lint (ruff check)", ("ruff", "check", ".")),
    Step("format (ruff format)", ("ruff", "format", "--check", ".")),
    Step("types (mypy)", ("mypy",)),
    Step(
        "unit tests and doctests, README included (pytest)",
        (
            # by file: the tests of a file share what they have worked out
            *("pytest", "-q", "--numprocesses=auto", "--dist=loadfile"),
            *("--doctest-modules", "--doctest-glob=*.md"),
            *("tests", "mesh_lab", "tools", "README.md", "CONTRIBUTING.md"),
        ),
    ),
    Step("notebook guard", ("tools.guard",)),
    Step(
        "the course as committed: run again, outputs compared (nbval)",
        ("pytest", "-q", "--nbval", "--nbval-current-env", "--nbval-cell-timeout=120", "notebooks"),
    ),
    Step("the course with every solution put in, strictly", ("tools.solved",)),
)


class CommandError(Exception):
    """A command cannot go on; the message is one line for the user."""


def main(arguments: Sequence[str]) -> int:
    """Run the command named in `arguments`, ``lab`` by default; return the exit code."""
    parser = argparse.ArgumentParser(prog="lab.py", description="Open the lab, or check it.")
    here = "use the Python that runs this, as it is: for conda environments"
    parser.add_argument("--here", action="store_true", help=here)
    commands: dict[str, Callable[[Ensure, list[str]], int]] = {
        "lab": lab,
        "test": test,
        "notebooks": notebooks,
        "validate": validate,
        "differential": differential,
        "browser": browser,
        "setup": setup,
    }
    parser.add_argument("command", nargs="?", default="lab", choices=commands)
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="passed on to the command's tool")
    chosen = parser.parse_args(arguments)
    if chosen.rest and chosen.command in {"setup", "test"}:
        parser.error(f"{chosen.command} takes no arguments, but got: {' '.join(chosen.rest)}")
    try:
        return commands[chosen.command](_as_it_is if chosen.here else ensure, chosen.rest)
    except (SetupError, CommandError) as error:
        print(f"mesh_lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; run the same command again to go on.", file=sys.stderr)
        return 130


def _as_it_is(*, extras: Sequence[str] = ()) -> Path:
    return Path(sys.executable)


def setup(ready: Ensure, rest: list[str]) -> int:
    """Set up what is missing, and nothing else."""
    ready()
    print("Ready.")
    return 0


def lab(ready: Ensure, rest: list[str]) -> int:
    """Open JupyterLab on the first notebook: loopback, a token, the repository as root."""
    port = _free_port()
    python = ready()
    print(f"Opening JupyterLab on {FIRST_NOTEBOOK}, port {port} (stop it with Ctrl-C).", flush=True)
    command = jupyter_command(python, port, rest)
    if os.name == "nt":
        return subprocess.call(command, cwd=ROOT)
    os.chdir(ROOT)
    os.execv(command[0], command)  # JupyterLab gets Ctrl-C and other signals itself


def jupyter_command(python: Path, port: int, rest: Sequence[str]) -> list[str]:
    """Return the command that serves the course on `port`; `rest` is passed on to JupyterLab.

    Jupyter makes a token and shows it; a notebook named as an argument would hide data/ from the
    reader, so the first notebook is the default address instead.
    """
    root_user = getattr(os, "geteuid", lambda: 1)() == 0  # in containers
    return [
        *(str(python), "-m", "jupyterlab"),
        *("--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        f"--ServerApp.root_dir={ROOT}",
        f"--LabApp.default_url=/lab/tree/{FIRST_NOTEBOOK}",
        *(["--allow-root"] if root_user else []),
        *rest,
    ]


def test(ready: Ensure, rest: list[str]) -> int:
    """Run every test step; name those that failed."""
    python = ready()
    failed = []
    for number, step in enumerate(TEST_STEPS, start=1):
        place = f"[{number}/{len(TEST_STEPS)}]"
        print(f"\n{place} {step.says}", flush=True)
        started = time.monotonic()
        code = _call(python, step.runs)
        verdict = "passed" if code == 0 else f"FAILED (exit code {code})"
        print(f"{place} {verdict}, {time.monotonic() - started:.0f} s", flush=True)
        if code != 0:
            failed.append(step.says)
    if failed:
        print(f"\n{len(failed)} of {len(TEST_STEPS)} steps failed: " + "; ".join(failed))
        return 1
    print(f"\nAll {len(TEST_STEPS)} steps passed.")
    return 0


def notebooks(ready: Ensure, rest: list[str]) -> int:
    """Regenerate the outputs of all notebooks, or of those whose numbers are given; then guard."""
    python = ready()
    return _call(python, ("tools.regenerate", *rest)) or _call(python, ("tools.guard", *rest))


def validate(ready: Ensure, rest: list[str]) -> int:
    """Run the longer checks, which ``make test`` leaves out."""
    python = ready()
    return _call(python, ("validation", *rest))


def differential(ready: Ensure, rest: list[str]) -> int:
    """Compare the compiled engine with the reference on N random scenarios; plant faults too."""
    many = rest or ["5000"]
    if not many[0].isdecimal() or int(many[0]) < 1:
        raise CommandError(f"N={many[0]} is no number of scenarios: give a whole number above 0.")
    python = ready()
    codes = [_call(python, (check, *many, "--faults")) for check in DIFFERENTIALS]
    return max(codes)


def browser(ready: Ensure, rest: list[str]) -> int:
    """Open every notebook in a headless browser, run all cells, save screenshots."""
    python = ready(extras=("lab", "test", "fast", "browser"))
    return _call(python, ("tools.browser_check", *rest))


def _call(python: Path, runs: Sequence[str]) -> int:
    return subprocess.call([str(python), "-m", *runs], cwd=ROOT)


def _free_port() -> int:
    """Return the port asked for with PORT=, 8888 by default, after a look that it is free."""
    wish = os.environ.get("PORT") or "8888"
    if not wish.isdecimal() or not 1 <= int(wish) <= 65535:
        raise CommandError(f"PORT={wish} is not a port: give a whole number from 1 to 65535.")
    with socket.socket() as probe:
        if os.name != "nt":  # a port that is only cooling down is free
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(wish)))
        except OSError as error:
            other = int(wish) % 65535 + 1
            raise CommandError(
                f"port {wish} cannot be used ({error.strerror}); perhaps another JupyterLab "
                f"has it. Stop that one, or give another port: make lab PORT={other}"
            ) from None
    return int(wish)
