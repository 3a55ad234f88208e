"""The reader's ledger: guesses made before a run, and how far off they were.

A guess is kept in a file of the reader's own (``~/.mesh_lab/predictions.json``, or where
``MESH_LAB_LEDGER`` says), never in the notebook and never in the repository.  A blank, Python's
``...``, records nothing and prints one fixed line, so a notebook that nobody has filled in gives
the same output on every machine.  A ledger that cannot be read is reported and left as it is.
"""

from __future__ import annotations

import json
import math
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from .figures import show
from .lessons import solution_files

__all__ = ["predict", "reveal", "score"]

Guess = float | int | str
Guesses = dict[str, dict[str, Guess]]

# What has been revealed in this session, so that `score` can put it beside the guesses.
_revealed: Guesses = {}

# As near as this, relative to what it was, a guess is called close.
_CLOSE = 0.05


class LedgerError(Exception):
    """The ledger cannot be read or written."""


def predict(name: str, **guesses: Any) -> None:
    """Keep the reader's guesses under `name`; a blank (``...``) changes nothing.

    While nothing is kept under `name`, a blank prints one fixed line; afterwards it tells which
    earlier guess stands.

    Parameters
    ----------
    name : str
        Notebook and quantity, as in ``"02.p99"``.
    **guesses
        The guesses, each a number or a word, named by unit or meaning: ``ms=...``.
    """
    if not guesses:
        raise TypeError(f'predict("{name}") needs something to guess, like ms=...')
    given = {key: value for key, value in guesses.items() if value is not ...}
    blank = [key for key in guesses if key not in given]
    if not given:
        print(f"{name}: {_standing(name, blank)}")
        return
    for key, value in given.items():
        if not _is_guess(value):
            print(f"{name}: {key} = {value!r} is not a number or a word; nothing was noted.")
            return
        if isinstance(value, str) and _NUMBER.match(value):
            print(
                f"{name}: {key} = {value!r}: give a number without the unit and without quotes; "
                "nothing was noted."
            )
            return
    try:
        ledger = _read()
        earlier = {key: ledger[name][key] for key in blank if key in ledger.get(name, {})}
        ledger[name] = {**ledger.get(name, {}), **given}
        _write(ledger)
    except LedgerError as error:
        print(f"{name}: not noted: {error}")
        return
    stands = f"; your earlier guess stands: {_listed(earlier)}" if earlier else ""
    print(f"{name}: noted, {_listed(given)}{stands}.")


def reveal(name: str, **actual: Guess) -> None:
    """Print what it really was, beside the reader's guess if there is one.

    Parameters
    ----------
    name : str
        As in `predict`.
    **actual
        The outcomes under the names they were guessed by.
    """
    guesses = _guesses().get(name, {})
    outcomes = _revealed.setdefault(name, {})
    for key, value in actual.items():
        outcomes[key] = _plain(value)
        print(_compared(name, key, outcomes[key], guesses.get(key)))
    others = {key: guess for key, guess in guesses.items() if key not in outcomes}
    missing = [key for key in actual if key not in guesses]
    if missing and others:
        print(
            f"{name}: your guess {_listed(others)} was not compared: what is asked is called "
            f"{', '.join(missing)}. Is the name right?"
        )


def score(number: str) -> None:
    """Print, and draw, how far off the reader's predictions of the notebook `number` were.

    Parameters
    ----------
    number : str
        The notebook, as in ``"02"``.
    """
    known = _notebooks()
    if not isinstance(number, str) or number not in known:
        names = ", ".join(f'"{one}"' for one in known) or 'like "02"'
        print(f"score({number!r}): give the number of a notebook in quotes: {names}.")
        return
    guesses = _guesses()
    outcomes = {
        (name, key): value
        for name, part in _revealed.items()
        if name.startswith(f"{number}.")
        for key, value in part.items()
    }
    made = {at: guesses[at[0]][at[1]] for at in outcomes if at[1] in guesses.get(at[0], {})}
    loose = [
        (name, key, guess)
        for name, part in guesses.items()
        if name.startswith(f"{number}.")
        for key, guess in part.items()
        if (name, key) not in outcomes
    ]
    if outcomes:
        more = f", and {len(loose)} that nothing was compared with" if loose else ""
        print(f"Notebook {number}: {len(made)} of {len(outcomes)} predictions made{more}.")
    else:
        made_so_far = "1 prediction" if len(loose) == 1 else f"{len(loose)} predictions"
        print(f"Notebook {number}: {made_so_far} made, nothing revealed yet.")
    ratios = {}
    for (name, key), guess in made.items():
        value = outcomes[name, key]
        print(_compared(name, key, value, guess))
        if not isinstance(guess, str) and not isinstance(value, str) and guess > 0 and value > 0:
            ratios[f"{name} ({key})"] = guess / value
    for name, key, guess in loose:
        print(
            f"{name}: {key} = {_short(guess)} was never compared: is the name right, and did the "
            "cell with its reveal run?"
        )
    if loose:
        print(f"Your guesses are kept in {_path()}.")
    if ratios:
        _draw(ratios)


def _notebooks() -> list[str]:
    """Return the numbers of the notebooks: of the course's, and of what was revealed."""
    numbers = {path.stem.removeprefix("nb") for path in solution_files()}
    return sorted(numbers | {name.partition(".")[0] for name in _revealed})


def _standing(name: str, blank: list[str]) -> str:
    """Return what a blank prints: the fixed line, or the earlier guess that `reveal` will take."""
    try:
        kept = _read().get(name, {})
    except LedgerError:  # whoever guesses or reveals is told
        kept = {}
    earlier = {key: kept[key] for key in blank if key in kept}
    if not earlier:
        return "no prediction yet. Put your guess where the ... is, before you run on."
    others = [key for key in blank if key not in kept]
    without = f"; no guess yet of {', '.join(others)}" if others else ""
    return f"your earlier guess stands: {_listed(earlier)}{without}."


def _compared(name: str, key: str, value: Guess, guess: Guess | None) -> str:
    was = f"{name}: {key} = {_short(value)}"
    if guess is None:
        return f"{was} (no prediction to compare with)."
    if isinstance(guess, str) and not isinstance(value, str):
        return f"{was}; you said {guess}, which is not a number."
    if isinstance(guess, str) or isinstance(value, str):
        return f"{was}; you said {_short(guess)}: {'right' if guess == value else 'not so'}."
    if guess == value:
        return f"{was}; you said the same."
    if abs(guess - value) <= _CLOSE * abs(value):
        return f"{was}; you said {_short(guess)}: close (within {100 * _CLOSE:.0f} %)."
    if guess > 0 and value > 0:
        word, factor = ("high", guess / value) if guess > value else ("low", value / guess)
        return f"{was}; you said {_short(guess)}: too {word}, by a factor of {factor:.3g}."
    return f"{was}; you said {_short(guess)}: off by {_short(guess - value)}."


def _draw(ratios: dict[str, float]) -> None:
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 1.2 + 0.35 * len(ratios)))
    rows = range(len(ratios))
    axes.axvline(1.0, color="black", linewidth=1)
    axes.plot(list(ratios.values()), rows, "o", color="#0072B2")
    axes.set_xscale("log")
    axes.set_yticks(rows, list(ratios))
    axes.invert_yaxis()
    axes.set_xlabel("your guess / what it was (left of the line: too low)")
    told = "; ".join(f"{name} {ratio:.3g}" for name, ratio in ratios.items())
    show(figure, f"Each guess as a multiple of what it was, where 1 is right: {told}.")


def _is_guess(value: object) -> bool:
    plain = _plain(value)
    return isinstance(plain, str) or (isinstance(plain, int | float) and math.isfinite(plain))


# What a word begins with that was meant as a number: "7 ms", "-3", ".5 s".
_NUMBER = re.compile(r"\s*[-+~]?\s*[.,]?\d")


def _plain(value: Any) -> Any:
    """Take a NumPy scalar as the plain number it stands for."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value


def _short(value: Guess) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def _listed(guesses: dict[str, Any]) -> str:
    return ", ".join(f"{key} = {_short(_plain(value))}" for key, value in guesses.items())


def _path() -> Path:
    chosen = os.environ.get("MESH_LAB_LEDGER")
    return Path(chosen) if chosen else Path.home() / ".mesh_lab" / "predictions.json"


def _guesses() -> Guesses:
    """Return the ledger, empty (and said so) when it cannot be read."""
    try:
        return _read()
    except LedgerError as error:
        print(f"Your predictions are not shown: {error}")
        return {}


def _read() -> Guesses:
    path = _path()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path} cannot be read ({error}); {_ADVICE}") from None
    sound = isinstance(content, dict) and all(
        isinstance(part, dict) and all(_is_guess(guess) for guess in part.values())
        for part in content.values()
    )
    if not sound:
        raise LedgerError(f"{path} is not a ledger of predictions; {_ADVICE}")
    return dict(content)


_ADVICE = "it was left as it is: mend it, or move it away to begin a new one"


def _write(ledger: Guesses) -> None:
    """Write the ledger whole or not at all: beside its place first, then into it."""
    path = _path()
    plain = {name: {key: _plain(g) for key, g in part.items()} for name, part in ledger.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(plain, file, indent=1, sort_keys=True)
            os.replace(beside, path)
        except BaseException:
            os.unlink(beside)
            raise
    except OSError as error:
        raise LedgerError(f"{path} cannot be written ({error})") from None
