"""The reader's ledger: kept on their machine, whole, and never in a committed output."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mesh_lab.course import predict, predictions, reveal, score, show


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "kept" / "predictions.json"
    monkeypatch.setenv("MESH_LAB_LEDGER", str(path))
    monkeypatch.setattr(predictions, "_revealed", {})
    return path


def test_a_blank_prints_one_fixed_line_and_writes_nothing(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict("02.p99", ms=...)
    empty = capsys.readouterr().out
    assert empty.count("\n") == 1
    assert not ledger.exists()
    predict("02.p99", ms=30)
    capsys.readouterr()
    predict("02.p99", ms=...)
    assert capsys.readouterr().out == empty
    assert json.loads(ledger.read_text()) == {"02.p99": {"ms": 30}}


def test_guesses_are_kept_and_compared(ledger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict("02.p99", ms=30, mean_ms=np.float64(12.5))
    predict("02.best", which="b")
    assert "noted, ms = 30, mean_ms = 12.5" in capsys.readouterr().out
    reveal("02.p99", ms=60.0, mean_ms=12.5)
    reveal("02.best", which="a")
    assert capsys.readouterr().out.splitlines() == [
        "02.p99: ms = 60; you said 30: too low, by a factor of 2.",
        "02.p99: mean_ms = 12.5; you said the same.",
        "02.best: which = a; you said b: not so.",
    ]
    score("02")
    told = capsys.readouterr().out
    assert "Notebook 02: 3 of 3 predictions made." in told
    assert "02.p99 (ms) 0.5" in told  # the figure's words: half of what it was


def test_without_a_guess_the_outcome_is_told_and_scored(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reveal("02.p99", ms=60.0)
    reveal("03.p99", ms=70.0)
    score("02")
    assert capsys.readouterr().out.splitlines() == [
        "02.p99: ms = 60 (no prediction to compare with).",
        "03.p99: ms = 70 (no prediction to compare with).",
        "Notebook 02: 0 of 1 predictions made.",
    ]


def test_numbers_that_have_no_ratio_are_compared_by_difference(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict("02.change", percent=-5)
    reveal("02.change", percent=10)
    assert "you said -5: off by -15." in capsys.readouterr().out


@pytest.mark.parametrize("guess", [float("nan"), float("inf"), None, [1, 2], 1 + 2j])
def test_what_is_not_a_guess_is_not_noted(
    ledger: Path, capsys: pytest.CaptureFixture[str], guess: Any
) -> None:
    predict("02.p99", ms=guess)
    assert "is not a number or a word; nothing was noted" in capsys.readouterr().out
    assert not ledger.exists()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"02.p99": 3}', '{"02.p99": {"ms": null}}', "\xff"]
)
def test_a_broken_ledger_is_reported_and_left_as_it_is(
    ledger: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    ledger.parent.mkdir()
    ledger.write_text(content, encoding="latin-1")
    before = ledger.read_bytes()
    predict("02.p99", ms=30)
    reveal("02.p99", ms=60.0)
    told = capsys.readouterr().out
    assert "not noted" in told
    assert told.count("it was left as it is") == 2
    assert "ms = 60 (no prediction to compare with)" in told
    assert ledger.read_bytes() == before


def test_a_write_that_fails_leaves_the_old_ledger_whole(
    ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    predict("02.p99", ms=30)
    before = ledger.read_bytes()

    def full(*args: Any, **kwargs: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    predict("02.p99", ms=40)
    assert "No space left on device" in capsys.readouterr().out
    assert ledger.read_bytes() == before
    assert [path.name for path in ledger.parent.iterdir()] == [ledger.name]


def test_the_ledger_is_in_the_readers_home_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MESH_LAB_LEDGER", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    predict("02.p99", ms=30)
    kept = tmp_path / ".mesh_lab" / "predictions.json"
    assert json.loads(kept.read_text()) == {"02.p99": {"ms": 30}}
    assert not kept.stat().st_mode & stat.S_IWOTH


def test_a_prediction_needs_something_to_guess() -> None:
    with pytest.raises(TypeError, match=r"needs something to guess"):
        predict("02.p99")


def test_show_outside_a_notebook_prints_the_words_and_closes_the_figure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    show(axes, "An empty frame from 0 to 1.")
    assert capsys.readouterr().out == "An empty frame from 0 to 1.\n"
    assert not plt.fignum_exists(figure.number)
    with pytest.raises(ValueError, match="alt is empty"):
        show(figure, "  ")
