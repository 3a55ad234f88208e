"""Set-up: what is missing is made, an interrupted one is finished, errors are one clear line."""

from __future__ import annotations

import ast
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tools import commands, environment
from tools.environment import ROOT, STAMP, SetupError, ensure, is_ready, python_of

LAB = ROOT / "tools" / "lab.py"


class Machine:
    """A machine on which every command works, unless told otherwise, and is written down."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ran: list[str] = []
        self.fails: tuple[str, ...] = ()
        self.interrupted_at = ""

    def run(self, command: Sequence[str | Path], *, quiet: bool = False) -> bool:
        line = " ".join(map(str, command[1:])).replace(str(self.root), "ROOT")
        self.ran.append(line)
        if "-m venv" in line:
            python = python_of(self.root / ".venv")
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_text(".".join(map(str, sys.version_info[:2])))
        if self.interrupted_at and self.interrupted_at in line:
            raise KeyboardInterrupt
        return not any(word in line for word in self.fails)

    def version(self, python: Path) -> tuple[int, int]:
        if python == Path(sys.executable):
            return sys.version_info[:2]
        if not python.exists():
            return (0, 0)
        major, minor = python.read_text().split(".")
        return int(major), int(minor)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in ("pyproject.toml", "constraints.txt"):
        (tmp_path / name).write_text(name)
    made = Machine(tmp_path)
    monkeypatch.setattr(environment, "_run", made.run)
    monkeypatch.setattr(environment, "_version", made.version)
    monkeypatch.delenv("PYTHON", raising=False)
    return made


def installs(machine: Machine) -> list[str]:
    return [line for line in machine.ran if "ROOT/constraints.txt" in line]


def test_the_first_time_makes_and_installs_what_is_pinned(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    python = ensure(machine.root)
    assert python == python_of(machine.root / ".venv")
    assert any(line.startswith("-m venv") for line in machine.ran)
    (line,) = installs(machine)
    assert line.startswith("-m uv pip install --python ROOT/.venv/")
    assert "-e ROOT[fast,lab,test]" in line
    assert "--reinstall" not in line
    assert is_ready(machine.root)
    assert "making .venv with Python" in capsys.readouterr().out


def test_the_second_time_does_nothing(machine: Machine) -> None:
    ensure(machine.root)
    machine.ran.clear()
    ensure(machine.root)
    assert machine.ran == []


@pytest.mark.parametrize("step", ["-m venv", "install --quiet", "-m uv"])
def test_an_interrupted_set_up_is_finished_next_time(machine: Machine, step: str) -> None:
    machine.interrupted_at = step
    with pytest.raises(KeyboardInterrupt):
        ensure(machine.root)
    assert not is_ready(machine.root)
    machine.interrupted_at = ""
    ensure(machine.root)
    assert "--reinstall" in installs(machine)[-1]  # half a package may look whole
    assert is_ready(machine.root)


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_it_is_repeated_when_what_it_was_made_from_changes(machine: Machine, name: str) -> None:
    ensure(machine.root)
    machine.ran.clear()
    (machine.root / name).write_text("changed")
    assert not is_ready(machine.root)
    ensure(machine.root)
    (line,) = installs(machine)
    assert "--reinstall" not in line
    assert not any("-m venv" in line for line in machine.ran)


def test_it_is_repeated_where_the_repository_was_moved(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(machine.root)
    moved = machine.root.parent / "moved"
    machine.root.rename(moved)
    assert not is_ready(moved)
    moved.rename(machine.root)
    assert is_ready(machine.root)


def test_an_extra_is_added_and_stays(machine: Machine) -> None:
    ensure(machine.root)
    ensure(machine.root, extras=("lab", "test", "browser"))
    assert "[browser,fast,lab,test]" in installs(machine)[-1]
    machine.ran.clear()
    ensure(machine.root)
    assert machine.ran == []
    (machine.root / "constraints.txt").write_text("changed")
    ensure(machine.root)
    assert "[browser,fast,lab,test]" in installs(machine)[-1]


def test_pip_installs_when_uv_cannot(machine: Machine) -> None:
    machine.fails = ("-m uv",)
    ensure(machine.root)
    assert installs(machine)[-1].startswith("-m pip install")
    assert is_ready(machine.root)


def test_a_set_up_that_fails_is_one_line_and_leaves_no_stamp(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.fails = ("-m uv", "-m pip install")
    with pytest.raises(SetupError, match="Run the same command again"):
        ensure(machine.root)
    assert not is_ready(machine.root)
    assert not (machine.root / ".venv" / STAMP).exists()


def test_another_python_is_used_when_it_is_named(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(machine.root)
    python_of(machine.root / ".venv").write_text("3.99")
    machine.ran.clear()
    ensure(machine.root)  # new enough: stays
    assert machine.ran == []
    monkeypatch.setenv("PYTHON", "python3")
    ensure(machine.root)
    assert any(line.startswith("-m venv --clear") for line in machine.ran)
    assert is_ready(machine.root)


def test_an_environment_of_an_old_python_is_made_anew(machine: Machine) -> None:
    ensure(machine.root)
    python_of(machine.root / ".venv").write_text("3.9")
    (machine.root / "pyproject.toml").write_text("changed")
    ensure(machine.root)
    assert any(line.startswith("-m venv --clear") for line in machine.ran)


def test_a_python_that_cannot_make_environments_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SetupError, match="apt install python3-venv"):
        ensure(machine.root)


# --- the entry, which old Pythons must be able to read -----------------------------------------


def as_old(tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the entry as Python 3.8 would, where no other Python can be found."""
    (tmp_path / "tools").mkdir(exist_ok=True)
    entry = shutil.copy(LAB, tmp_path / "tools")
    code = (
        "import runpy, sys; sys.version_info = (3, 8, 18, 'final', 0); "
        f"sys.argv = [{str(entry)!r}, 'test']; runpy.run_path({str(entry)!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PATH": str(tmp_path), "PYTHON": "", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variables", [{}, {"PYTHON": "python3.8"}])
def test_an_old_python_says_so_in_one_line(tmp_path: Path, variables: dict[str, str]) -> None:
    done = as_old(tmp_path, **variables)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "needs Python 3.11 or newer, but " in done.stderr
    assert "is Python 3.8" in done.stderr


def test_an_old_python_hands_over_to_a_newer_one_on_the_path(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("needs a symbolic link")
    (tmp_path / "python3.12").symlink_to(sys.executable)
    (tmp_path / "tools").mkdir()
    arrived = "def main(arguments): print('arrived with', *arguments); return 7"
    (tmp_path / "tools" / "commands.py").write_text(arrived)
    done = as_old(tmp_path)
    assert "is Python 3.8, which is too old; using python3.12 instead." in done.stdout
    assert done.stdout.endswith("arrived with test\n")
    assert done.returncode == 7


def test_a_python_that_was_named_is_not_replaced(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("needs a symbolic link")
    (tmp_path / "python3.12").symlink_to(sys.executable)
    done = as_old(tmp_path, PYTHON="python3.8")
    assert done.returncode == 1
    assert done.stdout == ""


def test_the_entry_is_written_in_what_every_python_reads() -> None:
    tree = ast.parse(LAB.read_text(), feature_version=(3, 4))
    for node in ast.walk(tree):
        assert not isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)
        if isinstance(node, ast.FunctionDef):
            assert node.returns is None
            assert not node.args.kwonlyargs
        if isinstance(node, ast.Call):  # Python 2: nothing after *arguments
            stars = [isinstance(argument, ast.Starred) for argument in node.args]
            assert not any(stars[:-1])
        if isinstance(node, ast.List | ast.Tuple):
            assert not any(isinstance(part, ast.Starred) for part in node.elts)


# --- make lab ----------------------------------------------------------------------------------


@pytest.fixture
def taken() -> Iterator[int]:
    """Yield a port that somebody listens on."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_taken_port_is_one_line_before_anything_is_set_up(
    taken: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "ensure", lambda: pytest.fail("set up first"))
    monkeypatch.setenv("PORT", str(taken))
    assert commands.main(["lab"]) == 1
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"port {taken} cannot be used" in told
    assert f"make lab PORT={taken + 1}" in told


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1", "8888.5"])
def test_a_port_that_is_none_is_told(
    port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PORT", port)
    assert commands.main(["lab"]) == 1
    assert f"PORT={port} is not a port" in capsys.readouterr().err


@pytest.mark.parametrize("many", ["0", "many", "2.5"])
def test_a_number_of_scenarios_that_is_none_is_told(
    many: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "ensure", lambda: pytest.fail("set up first"))
    assert commands.main(["differential", many]) == 1
    assert f"N={many} is no number of scenarios" in capsys.readouterr().err


OF_LOOPS = ("compiled", "graph", "log", "queue")


def test_the_differential_check_plants_its_faults(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def call(python: Path, runs: Sequence[str]) -> int:
        ran.append(runs)
        return 3

    monkeypatch.setattr(commands, "ensure", lambda: Path(sys.executable))
    monkeypatch.setattr(commands, "_call", call)
    assert commands.main(["differential"]) == 3
    assert ran == [(f"tests.differential_{of}", "5000", "--faults") for of in OF_LOOPS]


def test_an_interruption_is_told_and_exits_as_the_shell_expects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(commands, "ensure", interrupted)
    assert commands.main(["test"]) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_every_failed_step_of_the_tests_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = []

    def call(python: Path, runs: Sequence[str]) -> int:
        ran.append(runs)
        return 1 if runs[0] in {"mypy", "tools.guard"} else 0

    monkeypatch.setattr(commands, "ensure", lambda: Path(sys.executable))
    monkeypatch.setattr(commands, "_call", call)
    assert commands.main(["test"]) == 1
    assert len(ran) == len(commands.TEST_STEPS)
    assert "2 of 7 steps failed: types (mypy); notebook guard" in capsys.readouterr().out
    monkeypatch.setattr(commands, "_call", lambda python, runs: 0)
    assert commands.main(["test"]) == 0


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            body = answer.read()
            return answer.status, json.loads(body) if body[:1] in b"{[" else answer.url
    except urllib.error.HTTPError as error:
        return error.code, None


def test_the_lab_serves_the_course_on_loopback_with_a_token(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = commands.jupyter_command(Path(sys.executable), port, ["--no-browser"])
    places = {name: str(tmp_path) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    log = tmp_path / "log"
    with log.open("w") as file:
        server = subprocess.Popen(
            command,
            env={**os.environ, **places, "JUPYTER_TOKEN": "secret"},
            cwd=ROOT,
            stdout=file,
            stderr=file,
        )
    try:
        home = f"http://127.0.0.1:{port}"
        for _ in range(120):
            try:
                get(f"{home}/api")
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                time.sleep(0.25)
        assert get(f"{home}/api/contents")[0] == 403
        status, content = get(f"{home}/api/contents?token=secret")
        assert status == 200
        assert {"notebooks", "data", "README.md"} <= {entry["name"] for entry in content["content"]}
        status, address = get(f"{home}/?token=secret")
        assert status == 200
        assert address.startswith(f"{home}/lab/tree/notebooks/00_start_here.ipynb")
    finally:
        server.terminate()
        server.wait(timeout=30)
