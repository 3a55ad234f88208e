"""How values and errors of a learner's answer are put into words, whatever they are.

A ``repr`` may be long, may raise, or may hold 16 digits where six are meant.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["rounded", "shown", "told"]


def shown(value: object) -> str:
    """Return a short ``repr`` of anything a learner may come up with."""
    if value is None:
        return "None (does the function return its result?)"
    if isinstance(value, np.generic):
        value = value.item()
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__} that cannot be shown"
    return text if len(text) <= 300 else f"{text[:297]}..."


def rounded(value: Any) -> Any:
    """Return `value` with 6 significant digits wherever it, or a part of it, is a float."""
    if isinstance(value, float | np.floating):
        return float(f"{value:.6g}")
    if type(value) is dict:
        return {key: rounded(part) for key, part in value.items()}
    if type(value) in {list, tuple}:
        return type(value)(rounded(part) for part in value)
    if isinstance(value, np.ndarray) and value.ndim == 1:
        return np.array([rounded(part) for part in value])
    return value


def told(error: BaseException) -> str:
    """Return the class and the message of an error, if it can be made to give one."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__
