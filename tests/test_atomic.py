"""A file is written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

import mesh_lab as ml
from mesh_lab import atomic, files


def test_a_new_file_obeys_the_umask_and_an_old_one_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    before = os.umask(0o027)
    try:
        files.write("one", path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        files.write("two\n", path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert path.read_bytes() == b"two\n"
    assert os.listdir(tmp_path) == ["a.yaml"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_text("old")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    files.write("new", tmp_path / "link.yaml")
    assert (tmp_path / "link.yaml").is_symlink()
    assert (tmp_path / "real.yaml").read_text() == "new"


@pytest.mark.parametrize("step", ["write", "fsync", "chmod", "replace"])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(
    step: str, fault: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("old")

    def fails(*_: Any, **__: Any) -> None:
        raise fault

    if step == "write":
        monkeypatch.setattr(Path, "write_text", fails)
    else:
        monkeypatch.setattr(atomic.os, step, fails)
    expected = ml.ScenarioFileError if isinstance(fault, OSError) else KeyboardInterrupt
    with pytest.raises(expected) as caught:
        files.write("new", path)
    monkeypatch.undo()
    if isinstance(fault, OSError):
        assert str(caught.value) == (
            f"{path}: cannot be written: No space left on device; what was there is as it was"
        )
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.yaml"]


def test_a_place_that_takes_no_file_is_refused(tmp_path: Path) -> None:
    for path, reason in [
        (tmp_path / "no" / "a.yaml", "No such file or directory"),
        (tmp_path, "Is a directory"),
    ]:
        with pytest.raises(ml.ScenarioFileError) as caught:
            files.write("new", path)
        assert str(caught.value) == (
            f"{path}: cannot be written: {reason}; what was there is as it was"
        )
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_not_to_be_written_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("old")
    # the superuser may write everything, so the system's answer is replaced
    monkeypatch.setattr(atomic.os, "access", lambda *_: False)
    with pytest.raises(ml.ScenarioFileError, match="cannot be written: Permission denied"):
        files.write("new", path)
    assert path.read_text() == "old"
