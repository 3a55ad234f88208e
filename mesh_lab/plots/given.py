"""What a plot is given: runs, arrays or labelled ones of either, taken as labelled columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import PlotError
from ..run import Run

__all__ = [
    "Curves",
    "Floats",
    "Runs",
    "Some",
    "Window",
    "curves",
    "labelled",
    "latencies",
    "one_run",
    "stretch",
]

Floats = NDArray[np.float64]
Some = Run | ArrayLike
Runs = Some | Iterable[Some] | Mapping[str, Some]
Curve = Callable[[float], Any]
Window = tuple[float, float]
Curves = Curve | Mapping[str, Curve] | None


def labelled(function: str, runs: Runs) -> dict[str, Some]:
    """Return label -> run or array; the label is empty when there is only one and it has none."""
    if isinstance(runs, Mapping):
        found = {str(label): some for label, some in runs.items()}
    elif isinstance(runs, Run) or _is_column(runs):
        found = {"": runs}
    elif isinstance(runs, Iterable) and not isinstance(runs, str | bytes):
        several: list[Any] = list(runs)
        found = dict(zip(_labels(several), several, strict=True))
    else:
        raise PlotError(f"{function}: {_what(runs)} cannot be drawn; {_ALLOWED}")
    if not found:
        raise PlotError(f"{function}: there is nothing to draw; {_ALLOWED}")
    return found


def latencies(function: str, some: Some, name: str | None, label: str = "") -> Floats:
    """Return the seconds to draw: of requests that ended well, or of an array as it is."""
    which = f" {label!r}" if label else ""
    if isinstance(some, Run):
        took = some.latencies(name)
        if not len(took):
            raise PlotError(f"{function}: {_nothing_finished(some, name)}{which}")
        return took
    if name is not None:
        raise PlotError(f"{function}, name: is {name!r}, but the array{which} has no parts to name")
    return _column(function, some, which)


def one_run(function: str, run: object) -> Run:
    """Return `run`, if it is one with at least one request."""
    if not isinstance(run, Run):
        raise PlotError(f"{function}: {_what(run)} is not a Run; give what ml.simulate returned")
    if not len(run.columns.made):
        raise PlotError(f"{function}: in this run no request arrived, so there is nothing to draw")
    return run


def curves(function: str, theory: Curves) -> dict[str, Curve]:
    """Return label -> function."""
    if theory is None:
        return {}
    found = dict(theory) if isinstance(theory, Mapping) else {"theory": theory}
    for label, curve in found.items():
        if not callable(curve):
            raise PlotError(
                f"{function}, theory: {label!r} is {_what(curve)}, but must be a function, "
                "such as ml.theory.mm1(...).response_tail"
            )
    return found


def stretch(function: str, window: Window | None, last: float) -> Window:
    """Return the window, as far as the run goes: (from, until) in seconds."""
    if window is None:
        return 0.0, last
    try:
        start, end = (float(time) for time in window)
    except (TypeError, ValueError):
        raise PlotError(
            f"{function}, window: is {window!r}, but must be (from, until) in seconds"
        ) from None
    if not 0.0 <= start < end:
        raise PlotError(
            f"{function}, window: is {window!r}, but must be (from, until) in seconds, with "
            "0 <= from < until"
        )
    if start >= last:
        raise PlotError(
            f"{function}, window: begins at {start:g} s, but nothing happened after {last:g} s"
        )
    return start, min(end, last)


def _column(function: str, some: Any, which: str) -> Floats:
    try:
        column = np.asarray(some, dtype=np.float64)
    except (TypeError, ValueError):
        raise PlotError(f"{function}: {_what(some)}{which} cannot be drawn; {_ALLOWED}") from None
    if column.ndim != 1 or not column.size:
        raise PlotError(
            f"{function}: the array{which} has shape {column.shape}, but must be a column of at "
            "least one number"
        )
    bad = np.flatnonzero(~(np.isfinite(column) & (column >= 0.0)))
    if bad.size:
        raise PlotError(
            f"{function}: the array{which} holds {float(column[bad[0]])} at index {int(bad[0])}, "
            "but times must be finite and not negative"
        )
    return column


def _nothing_finished(run: Run, name: str | None) -> str:
    what = "request" if name is None else f"request of {name!r}"
    after = f" of those after the warm-up of {run.warmup:g} s" if run.warmup else ""
    if not len(run.columns.made):
        return "in this run no request arrived, so there is nothing to draw"
    counts = run.requests["outcome"].value_counts()
    ended = ", ".join(f"{n} {outcome}" for outcome, n in counts.items() if n)
    return f"no {what}{after} ended ok, so there is nothing to draw (requests: {ended})"


def _is_column(value: Any) -> bool:
    if hasattr(value, "ndim"):
        return int(value.ndim) == 1
    return isinstance(value, list | tuple) and all(isinstance(v, int | float) for v in value)


def _labels(several: list[Any]) -> list[str]:
    if len(several) == 1:
        return [""]
    seeds = [some.seed for some in several if isinstance(some, Run)]
    alike = len(seeds) == len(several) and all(
        some.scenario == several[0].scenario for some in several
    )
    if alike and len(set(seeds)) == len(seeds):
        return [f"seed {seed}" for seed in seeds]
    return [f"run {i + 1}" for i in range(len(several))]


def _what(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"a {type(value).__name__}"


_ALLOWED = (
    "give a Run, an array of seconds, a list of them, or a mapping label -> Run or array, such as "
    "{'round robin': run}"
)
