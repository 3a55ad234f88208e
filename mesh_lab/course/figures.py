"""Figures with words: every picture carries a text that says what it shows.

The text goes with the picture as its alternative text, which screen readers read and which a
browser shows when the picture is missing, and stands for it wherever only text is shown.
"""

from __future__ import annotations

import base64
import io
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["show"]


def show(figure: Figure | SubFigure | Axes, alt: str) -> None:
    """Display a figure with its alternative text, and close it; outside notebooks, print the text.

    Parameters
    ----------
    figure : Figure or Axes
        The figure, or any axes of it (what `mesh_lab.plots` returns).
    alt : str
        What there is to see, in a sentence or two: what is drawn over what, and what stands out.

    Raises
    ------
    ValueError
        When `alt` says nothing.
    """
    import matplotlib.pyplot as plt
    from matplotlib.figure import Figure

    if not alt.strip():
        raise ValueError("alt is empty: say in a sentence what the figure shows")
    whole: Any = figure
    while not isinstance(whole, Figure):  # axes, or a figure inside a figure
        whole = whole.figure
    picture = io.BytesIO()
    # No "Software" entry: the same figure is the same file under every matplotlib that draws it so.
    whole.savefig(picture, format="png", bbox_inches="tight", metadata={"Software": None})
    plt.close(whole)
    ipython: Any = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:  # a plain script or a test: there is nowhere to show a picture
        print(alt)
        return
    # Base64 with line breaks is how notebooks hold pictures.
    data = {"image/png": base64.encodebytes(picture.getvalue()).decode(), "text/plain": alt}
    shell.display_pub.publish(data, metadata={"image/png": {"alt": alt}})
