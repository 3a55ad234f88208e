"""Every plot: its own figure or the given axes, no global state, names, units, legible letters.

Colour blindness is simulated with the matrices of Machado, Oliveira and Fernandes (2009, IEEE
TVCG 15(6), doi:10.1109/TVCG.2009.113) at full severity, applied to linear RGB; distances are in
CIELAB.  matplotlib's own first six colours serve as the control that must fail.
"""

from __future__ import annotations

import functools
import itertools
import subprocess
import sys
from collections.abc import Callable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import TABLEAU_COLORS, to_rgb
from matplotlib.text import Text

import mesh_lab as ml
from mesh_lab import plots
from mesh_lab.plots import style
from mesh_lab.statistics import Interval

SCENARIO = ml.Scenario(
    ml.Poisson("shop", rate=30.0, to={"front": 0.8, "inbox": 0.2}),
    ml.Service("front", replicas=2, service_time=ml.Exponential(mean=0.03), to="inbox"),
    ml.Queue("inbox", capacity=20),
    ml.Handler("mailer", source="inbox", work=ml.Exponential(mean=0.03), to={"inbox": 0.1}),
)
RUN = ml.simulate(SCENARIO, requests=3000, seed=1)
OTHER = ml.simulate(SCENARIO.replace("inbox", capacity=2), requests=3000, seed=2)
TWO = {"wide": RUN, "narrow": OTHER}
CALLS = ml.simulate(
    ml.Scenario(
        ml.Poisson("shop", rate=30.0, to="front"),
        ml.Service("front", workers=4, service_time=ml.Exponential(mean=0.01), calls=("back",)),
        ml.Service(
            "back",
            service_time=ml.Exponential(mean=0.03),
            policy=ml.Policy(per_try_timeout=0.05, retries=ml.Retries(1)),
        ),
    ),
    requests=100,
    seed=1,
)
MM1 = ml.theory.mm1(arrival_rate=40.0, service_rate=50.0)
INTERVAL = Interval(0.1, 0.09, 0.12, confidence=0.95, n=10)


def curve(utilisation: float) -> float:
    return 0.02 / (1.0 - utilisation)


Draw = Callable[[Axes | None], Axes]
DRAWN: dict[str, Draw] = {
    "scenario": lambda ax: plots.scenario(SCENARIO, ax=ax),
    "queue": lambda ax: plots.queue(RUN, "inbox", ax=ax, window=(0, 5), mean=True),
    "queue, long": lambda ax: plots.queue(RUN, "inbox", ax=ax),
    "arrivals": lambda ax: plots.arrivals(RUN, ax=ax, window=(0, 10)),
    "tail": lambda ax: plots.tail(RUN, ax=ax, theory={"M/M/1": MM1.response_tail}),
    "tail, two": lambda ax: plots.tail(TWO, ax=ax),
    "histogram": lambda ax: plots.histogram(TWO, ax=ax, theory={"M/M/1": MM1.response_tail}),
    "request_timeline": lambda ax: plots.request_timeline(RUN, 100, ax=ax),
    "waterfall": lambda ax: plots.waterfall(CALLS, 20, ax=ax),
    "outcomes": lambda ax: plots.outcomes(TWO, ax=ax),
    "utilisation_curve": lambda ax: plots.utilisation_curve(
        {0.5: INTERVAL, 0.8: 0.1}, theory={"M/M/1": curve}, ax=ax
    ),
    "comparison": lambda ax: plots.comparison({"a": INTERVAL, "b": 0.1}, ax=ax, reference=0.1),
}
NAMES = list(DRAWN)


@functools.cache
def drawn(name: str) -> Axes:
    """Draw once, for the tests that only look."""
    ax = DRAWN[name](None)
    plt.close(ax.figure)
    return ax


WITH_AXES = [name for name in NAMES if name != "scenario"]


# -- what every plot promises ------------------------------------------------------------------


def test_every_public_function_is_tried_here() -> None:
    tried = {name.split(",")[0] for name in NAMES}
    assert tried | {"describe"} == set(plots.__all__)


@pytest.mark.parametrize("name", NAMES)
def test_without_axes_one_figure_is_made_and_its_axes_returned(name: str) -> None:
    ax = DRAWN[name](None)
    assert plt.get_fignums() == [ax.figure.number]
    assert ax.figure.axes == [ax]


@pytest.mark.parametrize("name", NAMES)
def test_with_axes_nothing_else_is_made_or_touched(name: str) -> None:
    figure, (left, right) = plt.subplots(1, 2)
    size = figure.get_size_inches().tolist()
    plt.sca(right)
    assert DRAWN[name](left) is left
    assert plt.get_fignums() == [figure.number]
    assert figure.axes == [left, right]
    assert figure.get_size_inches().tolist() == size
    assert plt.gca() is right
    assert not right.lines
    assert not right.texts
    assert not right.patches


@pytest.mark.parametrize("name", NAMES)
def test_no_setting_of_matplotlib_changes_and_nothing_is_shown(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def show(*_: object, **__: object) -> None:
        raise AssertionError("plt.show was called")

    monkeypatch.setattr(plt, "show", show)
    before = dict(mpl.rcParams)
    DRAWN[name](None)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", WITH_AXES)
def test_axes_have_names_with_units(name: str) -> None:
    ax = drawn(name)
    labels = ax.get_xlabel() + ax.get_ylabel()
    assert any(unit in labels for unit in ("(ms", "(s)", "(%)", "per second"))
    assert ax.get_xlabel()
    if name.split(",")[0] not in {
        "comparison",
        "outcomes",
        "request_timeline",
        "waterfall",
    }:  # rows have names
        assert ax.get_ylabel()


@pytest.mark.parametrize("name", NAMES)
def test_letters_are_large_enough_and_inside_the_figure(name: str) -> None:
    ax = drawn(name)
    ax.figure.draw_without_rendering()
    edge = ax.figure.bbox
    texts = [text for text in _visible(ax) if text.get_text().strip()]
    assert texts
    for text in texts:
        assert text.get_fontsize() >= 9.0, text
        box = text.get_window_extent()
        assert box.x0 >= edge.x0 - 1, text
        assert box.x1 <= edge.x1 + 1, text
        assert box.y0 >= edge.y0 - 1, text
        assert box.y1 <= edge.y1 + 1, text


def _visible(ax: Axes) -> list[Text]:
    """Return all that is written in the figure: matplotlib keeps unused tick labels, too."""
    found = [*ax.texts, ax.title]
    if not ax.axison:
        return found
    found += [
        ax.xaxis.label,
        ax.yaxis.label,
        *(t for t in ax.get_children() if isinstance(t, Text)),
    ]
    for at, labels, limits in (
        (ax.get_xticks(), ax.get_xticklabels(), ax.get_xlim()),
        (ax.get_yticks(), ax.get_yticklabels(), ax.get_ylim()),
    ):
        low, high = sorted(limits)
        found += [t for x, t in zip(at, labels, strict=True) if low <= x <= high]
    return found


@pytest.mark.parametrize("name", ["tail, two", "histogram", "utilisation_curve", "queue"])
def test_labels_stand_apart_inside_the_axes(name: str) -> None:
    ax = drawn(name)
    ax.figure.draw_without_rendering()
    inside = ax.get_window_extent()
    lines = {line.get_label() for line in ax.lines}
    boxes = [
        text.get_window_extent()
        for text in ax.texts
        if text.get_text().split("\n")[0].split(",")[0] in lines
    ]
    assert boxes
    for a, b in itertools.combinations(boxes, 2):
        assert not a.overlaps(b)
    for box in boxes:
        assert inside.x0 - 1 <= box.x0
        assert box.x1 <= inside.x1 + 1
        assert inside.y0 - 1 <= box.y0
        assert box.y1 <= inside.y1 + 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_drawn_is_also_said(name: str) -> None:
    said = plots.describe(drawn(name))
    assert any(digit in said for digit in "0123456789")
    assert "nan" not in said


def test_a_stranger_s_axes_cannot_be_described() -> None:
    _, ax = plt.subplots()
    with pytest.raises(ml.PlotError, match="nothing of mesh_lab"):
        plots.describe(ax)


def test_several_axes_are_refused_with_advice() -> None:
    _, axes = plt.subplots(1, 2)
    with pytest.raises(ml.PlotError, match="pick one"):
        plots.tail(RUN, ax=axes)


def test_the_course_s_helper_takes_the_axes(capsys: pytest.CaptureFixture[str]) -> None:
    ax = plots.tail(RUN)
    ml.course.show(ax, "One line that falls from 100 % to the slowest of 3000 requests.")
    assert "slowest of 3000" in capsys.readouterr().out
    assert not plt.get_fignums()


def test_a_run_is_made_without_importing_matplotlib() -> None:
    code = (
        "import sys, mesh_lab as ml\n"
        "s = ml.Scenario(ml.Poisson('a', rate=1.0, to='b'),"
        " ml.Service('b', service_time=ml.Exponential(mean=0.1)))\n"
        "ml.simulate(s, requests=10, seed=1)\n"
        "assert 'matplotlib' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- colours -------------------------------------------------------------------------------------

MACHADO = {
    "normal": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
FAR_ENOUGH = 15.0  # CIELAB


def seen(colour: str, matrix: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """Return what is seen of a sRGB colour, in CIELAB (D65)."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(matrix) @ linear, 0.0, 1.0)
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = np.array(to_xyz) @ linear / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0)
    return np.array([116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2])])


def nearest(colours: list[str], matrix: tuple[tuple[float, ...], ...]) -> float:
    points = [seen(colour, matrix) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(points, 2))


def test_the_matrices_leave_grey_as_it_is() -> None:
    for matrix in MACHADO.values():
        np.testing.assert_allclose(np.sum(matrix, axis=1), 1.0, atol=2e-6)


@pytest.mark.parametrize("sight", list(MACHADO))
def test_six_lines_and_theory_can_be_told_apart_by_colour(sight: str) -> None:
    colours = [style.look(i).colour for i in range(6)] + [style.BLACK]
    assert nearest(colours, MACHADO[sight]) >= FAR_ENOUGH


def test_matplotlib_s_own_colours_could_not() -> None:
    own = list(TABLEAU_COLORS.values())[:6]
    assert nearest(own, MACHADO["protanopia"]) < FAR_ENOUGH / 2
    assert nearest(own, MACHADO["deuteranopia"]) < FAR_ENOUGH / 2


def test_six_lines_differ_in_colour_and_dashes_and_marks() -> None:
    for a, b in itertools.combinations([style.look(i) for i in range(6)], 2):
        assert a.colour != b.colour
        assert a.dashes != b.dashes
        assert a.marker != b.marker


def test_thirty_six_lines_have_thirty_six_looks() -> None:
    assert len({(style.look(i).colour, style.look(i).dashes) for i in range(36)}) == 36
    assert style.look(36) == style.look(0)


def test_drawn_lines_have_their_own_colour_and_dashes() -> None:
    runs = {f"run {i}": RUN.latencies() * (1.0 + i / 3.0) for i in range(6)}
    ax = plots.tail(runs, theory={"one": MM1.response_tail, "two": lambda t: np.exp(-9 * t)})
    named = [line for line in ax.lines if not line.get_label().startswith("_")]
    assert len(named) == 8
    looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in named}
    assert len(looks) == 8
    assert len({str(line._unscaled_dash_pattern) for line in named[:6]}) == 6


def test_letters_have_the_contrast_that_text_needs() -> None:
    for i in range(6):
        assert style.contrast(style.ink(style.look(i).colour)) >= 4.5
    ax = plots.tail({f"run {i}": RUN.latencies() * (1.0 + i) for i in range(6)})
    for text in ax.texts:
        assert style.contrast(str(text.get_color())) >= 4.5, text


def test_the_contrast_ratio_is_wcag_s() -> None:
    # the grey #767676 is known as the lightest that passes 4.5:1 on white
    assert style.contrast("#767676") >= 4.5 > style.contrast("#777777")
