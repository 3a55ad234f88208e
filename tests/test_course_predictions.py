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


BLANK = "02.p99: no prediction yet. Put your guess where the ... is, before you run on."


def test_a_blank_prints_one_fixed_line_and_writes_nothing(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict("02.p99", ms=...)
    assert capsys.readouterr().out == f"{BLANK}\n"
    assert not ledger.exists()


def test_a_blank_tells_which_earlier_guess_stands_and_keeps_it(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict("02.p99", ms=30)
    predict("02.p99", ms=...)
    predict("02.p99", ms=..., mean_ms=...)
    predict("02.p99", mean_ms=...)
    predict("02.p99", ms=..., mean_ms=9)
    assert capsys.readouterr().out.splitlines() == [
        "02.p99: noted, ms = 30.",
        "02.p99: your earlier guess stands: ms = 30.",
        "02.p99: your earlier guess stands: ms = 30; no guess yet of mean_ms.",
        BLANK,
        "02.p99: noted, mean_ms = 9; your earlier guess stands: ms = 30.",
    ]
    assert json.loads(ledger.read_text()) == {"02.p99": {"ms": 30, "mean_ms": 9}}


def test_a_blank_prints_its_line_whatever_became_of_the_ledger(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ledger.parent.mkdir()
    ledger.write_text("{")
    predict("02.p99", ms=...)
    assert capsys.readouterr().out == f"{BLANK}\n"


@pytest.mark.parametrize("guess", ["7 ms", "7", " -7ms", "0.5 s", ".5 s", "7,5", "~ 40 ms"])
def test_a_number_in_quotes_is_refused_at_once(
    ledger: Path, capsys: pytest.CaptureFixture[str], guess: str
) -> None:
    predict("02.p99", ms=guess)
    told = capsys.readouterr().out
    assert f"ms = {guess!r}: give a number without the unit" in told
    assert "nothing was noted" in told
    assert not ledger.exists()


def test_a_word_for_a_number_is_told_as_such(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict("02.p99", ms="seven")
    reveal("02.p99", ms=7)
    assert "ms = 7; you said seven, which is not a number." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("guess", "actual", "told"),
    [
        (105, 100, "close (within 5 %)."),
        (95, 100, "close (within 5 %)."),
        (-9.6, -10, "close (within 5 %)."),
        (106, 100, "too high, by a factor of 1.06."),
        (94, 100, "too low, by a factor of 1.06."),
        (0.001, 0, "off by 0.001."),
    ],
)
def test_a_guess_within_5_percent_is_close(
    ledger: Path, capsys: pytest.CaptureFixture[str], guess: float, actual: float, told: str
) -> None:
    predict("02.p99", ms=guess)
    reveal("02.p99", ms=actual)
    assert f": {told}" in capsys.readouterr().out.splitlines()[-1].partition("you said")[2]


def test_a_guess_under_another_keyword_is_told_when_it_is_revealed(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict("02.p99", milis=30)
    reveal("02.p99", ms=60.0)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "02.p99: ms = 60 (no prediction to compare with).",
        "02.p99: your guess milis = 30 was not compared: what is asked is called ms. "
        "Is the name right?",
    ]
    predict("02.p99", ms=60)
    reveal("02.p99", ms=60.0)
    assert "Is the name right?" not in capsys.readouterr().out


def test_score_lists_guesses_that_were_never_compared(
    ledger: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    predict("02.p9", ms=30)
    predict("02.best", which="b")
    predict("03.p99", ms=30)
    capsys.readouterr()
    score("02")
    first, *_ = capsys.readouterr().out.splitlines()
    assert first == "Notebook 02: 2 predictions made, nothing revealed yet."
    reveal("02.best", which="b")
    reveal("02.p99", ms=60.0)
    capsys.readouterr()
    score("02")
    assert capsys.readouterr().out.splitlines() == [
        "Notebook 02: 1 of 2 predictions made, and 1 that nothing was compared with.",
        "02.best: which = b; you said b: right.",
        "02.p9: ms = 30 was never compared: is the name right, and did the cell with its reveal "
        "run?",
        f"Your guesses are kept in {ledger}.",
    ]


@pytest.mark.parametrize("number", [0, "99", "00.sketch", "", None, "0", ["00"]])
def test_score_of_no_notebook_says_what_is_allowed(
    ledger: Path, capsys: pytest.CaptureFixture[str], number: Any
) -> None:
    score(number)
    told = capsys.readouterr().out
    assert told.startswith(f"score({number!r}): give the number of a notebook in quotes: ")
    assert '"00", "01"' in told
    assert "predictions made" not in told


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


def test_score_knows_a_revealed_notebook_where_there_is_no_course(
    ledger: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predictions, "solution_files", list)
    score("02")
    reveal("02.p99", ms=60.0)
    score("02")
    assert capsys.readouterr().out.splitlines() == [
        "score('02'): give the number of a notebook in quotes: like \"02\".",
        "02.p99: ms = 60 (no prediction to compare with).",
        "Notebook 02: 0 of 1 predictions made.",
    ]
