"""The project's virtual environment: made once, finished if it was interrupted, kept up to date.

``.venv`` holds a stamp that is written last, so a stamp means a finished set-up.  It records what
the set-up was made from (`pyproject.toml`, `constraints.txt`, the extras, the place of the
repository); when that changes, the set-up is repeated.  No stamp means that the last set-up did
not finish: everything is installed again over what is there, because an installer that was killed
may have left half a package that looks whole.

Only the standard library is used here: this runs before anything is installed.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["ROOT", "SetupError", "ensure", "is_ready", "python_of"]

ROOT = Path(__file__).resolve().parent.parent
EXTRAS = ("lab", "test", "fast")
STAMP = "set-up-finished"


class SetupError(Exception):
    """The environment cannot be made; the message is one line for the user."""


def python_of(venv: Path) -> Path:
    """Return where the environment `venv` has its Python."""
    return venv / "Scripts" / "python.exe" if os.name == "nt" else venv / "bin" / "python"


def fingerprint(root: Path) -> str:
    """Return what a set-up of `root` is made from, as a digest."""
    digest = hashlib.sha256(str(root).encode())  # an environment does not survive a move
    for name in ("pyproject.toml", "constraints.txt"):
        digest.update(b"\0" + (root / name).read_bytes())
    return digest.hexdigest()


def is_ready(root: Path = ROOT, extras: Sequence[str] = EXTRAS) -> bool:
    """Tell whether the environment of `root` is finished, up to date, and has the `extras`."""
    made_from, *there = _stamped(root)
    up_to_date = made_from == fingerprint(root) and set(extras) <= set(there)
    return up_to_date and python_of(root / ".venv").exists()


def _stamped(root: Path) -> list[str]:
    """Return the stamp's words: the digest, then the extras; one empty word without a stamp."""
    stamp = root / ".venv" / STAMP
    return (stamp.read_text() if stamp.exists() else "").split() or [""]


def ensure(root: Path = ROOT, extras: Sequence[str] = EXTRAS) -> Path:
    """Set up what is missing, and return the environment's Python.

    Raises
    ------
    SetupError
        When the environment cannot be made.
    """
    venv = root / ".venv"
    python, stamp = python_of(venv), venv / STAMP
    # lab.py runs in the Python that PYTHON= names: a choice, followed even over a finished set-up.
    named = bool(os.environ.get("PYTHON"))
    another = named and _version(python) not in {(0, 0), _version(Path(sys.executable))}
    if is_ready(root, extras) and not another:
        return python
    extras = sorted({*extras, *_stamped(root)[1:]})  # what was there once stays
    unfinished = venv.exists() and not stamp.exists()
    stamp.unlink(missing_ok=True)
    if unfinished:
        _say("Set-up: .venv is not finished; installing everything again.")
    if another or _version(python) < (3, 11):
        _say(f"Set-up: making .venv with Python {'.'.join(map(str, sys.version_info[:3]))}.")
        _make(venv, clear=venv.exists())
    if not _works(python, "pip"):
        _run([python, "-m", "ensurepip", "--upgrade"], quiet=True)
    if not _works(python, "pip"):
        _say("Set-up: .venv has no working pip; making it anew.")
        _make(venv, clear=True)
    _install(root, python, extras, again=unfinished)
    partial = stamp.with_suffix(".partial")
    partial.write_text(" ".join([fingerprint(root), *extras]))
    partial.replace(stamp)
    _say("Set-up: finished.")
    return python


def _install(root: Path, python: Path, extras: Sequence[str], *, again: bool) -> None:
    """Install the project and what it needs, pinned: with uv, or with pip where uv fails."""
    what: list[str | Path] = ["-c", root / "constraints.txt", "-e", f"{root}[{','.join(extras)}]"]
    _say(
        "Set-up: installing what constraints.txt pins (the first time this takes a minute or two)."
    )
    if _run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv"]):
        # whoever may not write bytecode later would compile every module at every start
        options = ["--compile-bytecode", *(["--reinstall"] if again else [])]
        if not sys.stdout.isatty():
            options.append("--quiet")  # a log needs no list of a hundred packages
        if _run([python, "-m", "uv", "pip", "install", "--python", python, *options, *what]):
            return
    _say("Set-up: uv could not do it; pip tries (slower).")
    reinstall = ["--force-reinstall"] if again else []
    if not _run([python, "-m", "pip", "install", "--disable-pip-version-check", *reinstall, *what]):
        raise SetupError(
            "the set-up failed: see the lines above (no network?). "
            "Run the same command again to finish it."
        )


def _make(venv: Path, *, clear: bool) -> None:
    base = getattr(sys, "_base_executable", None) or sys.executable
    try:
        import ensurepip  # noqa: F401  (Debian splits it off; say so before venv half fails)
    except ImportError:
        raise SetupError(
            f"{base} cannot make virtual environments: install its venv package "
            "(Debian, Ubuntu: apt install python3-venv), or name another Python with PYTHON=..."
        ) from None
    if not _run([base, "-m", "venv", *(["--clear"] if clear else []), venv]):
        raise SetupError(f"{base} could not make {venv}: see the lines above.")


def _version(python: Path) -> tuple[int, int]:
    """Return the version of `python`, (0, 0) when it does not run."""
    show = "import sys; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", show], capture_output=True, text=True, check=True)
        major, minor = done.stdout.split()
    except (OSError, ValueError, subprocess.CalledProcessError):
        return (0, 0)
    return int(major), int(minor)


def _works(python: Path, module: str) -> bool:
    return _run([python, "-m", module, "--version"], quiet=True)


def _run(command: Sequence[str | Path], *, quiet: bool = False) -> bool:
    where = subprocess.DEVNULL if quiet else None
    return subprocess.run(list(command), stdout=where, stderr=where, check=False).returncode == 0


def _say(line: str) -> None:
    print(line, flush=True)
