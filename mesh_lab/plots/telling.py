"""What a figure says, in words: the numbers that it shows, for those who do not see it.

Each plot notes its numbers while it draws; a figure that is forgotten takes its notes along.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from matplotlib.axes import Axes

from ..errors import PlotError

__all__ = ["describe", "tell"]

_said: WeakKeyDictionary[Axes, list[str]] = WeakKeyDictionary()


def tell(ax: Axes, text: str) -> None:
    """Note what has been drawn on `ax`, for `describe`."""
    _said.setdefault(ax, []).append(text)


def describe(ax: Axes) -> str:
    """Return the numbers that a figure of this package shows, as text.

    Parameters
    ----------
    ax : Axes
        What a function of `mesh_lab.plots` returned.

    Returns
    -------
    str
        One line for each thing drawn.  Print it beside the figure, for readers who do not see it;
        what there is to notice in the figure is for its alternative text to say.

    Raises
    ------
    PlotError
        When `ax` was not drawn by this package.
    """
    if ax not in _said:
        raise PlotError("describe: nothing of mesh_lab.plots has been drawn on these axes")
    return "\n".join(_said[ax])
