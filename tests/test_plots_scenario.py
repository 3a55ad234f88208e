"""The picture of a scenario: every part, every way, boxes apart, from left to right."""

from __future__ import annotations

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.transforms import Affine2D, Bbox

import mesh_lab as ml
from mesh_lab import plots
from mesh_lab.plots.layout import layered

WORK = ml.Exponential(mean=0.02)
MESH = ml.Scenario(
    ml.Poisson("web", rate=20.0, to={"front": 0.7, "back": 0.3}),
    ml.Bursts("app", rates=(2.0, 30.0), holds=(8.0, 2.0), to="front"),
    ml.Users("staff", users=20, think=ml.Exponential(mean=5.0), to="back"),
    ml.Service("front", replicas=3, service_time=WORK, to={"inbox": 0.5, "back": 0.2}),
    ml.Queue("inbox", capacity=100, overflow="block"),
    ml.Handler("mailer", source="inbox", work=WORK, to={"inbox": 0.1}, failure=0.02),
    ml.Handler("archiver", source="inbox", work=WORK, workers=2),
    ml.Service("back", service_time=WORK, workers=4, discipline="lifo", to={"front": 0.1}),
)


def boxes_of(ax: Axes) -> dict[str, Bbox]:
    return {
        str(patch.get_gid()).removeprefix("part:"): Bbox.from_bounds(
            patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height()
        )
        for patch in ax.patches
        if isinstance(patch, FancyBboxPatch)
    }


def arrows_of(ax: Axes) -> dict[tuple[str, str], np.ndarray]:
    """Return (from, to) -> points all along the arrow; to is empty where requests leave."""
    found = {}
    for patch in ax.patches:
        if isinstance(patch, FancyArrowPatch):
            source, target = str(patch.get_gid()).removeprefix("arrow:").split("->")
            # the path as it was given, with its curves followed in steps of a hundredth of an inch
            (points,) = patch._path_original.to_polygons(Affine2D().scale(100.0), closed_only=False)
            found[source, target] = np.asarray(points) / 100.0
    return found


def written(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


# -- the layers --------------------------------------------------------------------------------


def test_a_layer_is_the_longest_way_there() -> None:
    plan = layered(list("abcd"), [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("a", "d")])
    assert [plan.layer_of(node) for node in "abcd"] == [0, 1, 2, 3]
    assert ("a", "d", 1) in plan.layers[1]
    assert ("a", "d", 2) in plan.layers[2]
    assert not plan.back


def test_loops_are_opened_where_requests_come_in() -> None:
    # declared backwards: the source is last, and the loop is entered at b
    plan = layered(list("cbs"), [("c", "b"), ("b", "c"), ("s", "b"), ("b", "b")])
    assert plan.back == {("c", "b"), ("b", "b")}
    assert [plan.layer_of(node) for node in "sbc"] == [0, 1, 2]


def test_crossings_are_taken_out() -> None:
    plan = layered(list("abcxyz"), [("a", "z"), ("b", "y"), ("c", "x")])
    place = {spot: k for layer in plan.layers for k, spot in enumerate(layer)}
    pairs = [(place["a"], place["z"]), (place["b"], place["y"]), (place["c"], place["x"])]
    for (a, b), (c, d) in itertools.combinations(pairs, 2):
        assert (a - c) * (b - d) > 0


@settings(max_examples=150)
@given(st.integers(1, 7), st.data())
def test_any_graph_gets_layers(n: int, more: st.DataObject) -> None:
    nodes = [f"n{i}" for i in range(n)]
    every = [(a, b) for a in nodes for b in nodes]
    arrows = more.draw(st.lists(st.sampled_from(every), max_size=14, unique=True))
    plan = layered(nodes, arrows)
    found = [spot for layer in plan.layers for spot in layer if isinstance(spot, str)]
    assert sorted(found) == sorted(nodes)
    assert plan.back <= set(arrows)
    forward = [arrow for arrow in arrows if arrow not in plan.back]
    for source, target in forward:
        assert plan.layer_of(source) < plan.layer_of(target)
    for node in nodes:  # no further right than it must be
        before = [plan.layer_of(a) for a, b in forward if b == node]
        assert plan.layer_of(node) == max(before, default=-1) + 1
    for arrow in plan.back:  # each of them does close a loop
        reached, ahead = set(), [arrow[1]]
        while ahead:
            node = ahead.pop()
            if node not in reached:
                reached.add(node)
                ahead += [b for a, b in forward if a == node]
        assert arrow[0] in reached


# -- the picture -------------------------------------------------------------------------------


def test_every_part_and_every_way_is_there() -> None:
    ax = plots.scenario(MESH)
    assert set(boxes_of(ax)) == {part.name for part in MESH.parts}
    assert set(arrows_of(ax)) == {
        ("web", "front"),
        ("web", "back"),
        ("app", "front"),
        ("staff", "back"),
        ("front", "inbox"),
        ("front", "back"),
        ("front", ""),
        ("inbox", "mailer"),
        ("inbox", "archiver"),
        ("mailer", "inbox"),
        ("mailer", ""),
        ("archiver", ""),
        ("back", "front"),
        ("back", ""),
    }
    shares = sorted(text for text in written(ax) if text.endswith(" %"))
    assert shares == sorted(
        ["70 %", "30 %", "50 %", "20 %", "30 %", "10 %", "90 %", "10 %", "90 %"]
    )


def test_what_is_written_in_the_boxes() -> None:
    ax = plots.scenario(MESH)
    words = written(ax)
    for name in ("web", "app", "staff", "front", "inbox", "mailer", "archiver", "back"):
        assert words.count(name) == 1
    expected = [
        "Poisson source",
        "20 /s",
        "7.6 /s on average",
        "20 users",
        "think 5 s",
        "3 replicas of 1 worker",
        "round robin",
        "work 20 ms, scv 1",
        "room for 100, then block",
        "2 % fail",
        "2 workers",
        "4 workers",
        "last in, first out",
    ]
    assert set(expected) <= set(words)


def test_letters_stay_in_their_boxes() -> None:
    ax = plots.scenario(MESH)
    ax.figure.draw_without_rendering()
    boxes = boxes_of(ax)
    for text in ax.texts:
        if text.get_text().endswith(" %"):
            continue
        x, y = text.get_position()
        box = next(b for b in boxes.values() if b.contains(x, y))
        size = ax.transData.inverted().transform_bbox(text.get_window_extent())
        assert box.x0 <= size.x0
        assert size.x1 <= box.x1
        assert box.y0 <= size.y0
        assert size.y1 <= box.y1


def test_the_longest_line_keeps_clear_of_the_border() -> None:
    scenario = ml.Scenario(
        ml.Poisson("in", rate=1.0, to="inbox"),
        ml.Queue("inbox", capacity=20, overflow="drop_oldest"),
        ml.Handler("mailer", source="inbox", work=WORK),
    )
    ax = plots.scenario(scenario)
    box = boxes_of(ax)["inbox"]
    for dpi in (72, 100, 150):
        ax.figure.set_dpi(dpi)
        ax.figure.canvas.draw()
        (long,) = (t for t in ax.texts if t.get_text() == "room for 20, then drop the oldest")
        size = ax.transData.inverted().transform_bbox(long.get_window_extent())
        assert size.x0 - box.x0 >= 0.13
        assert box.x1 - size.x1 >= 0.13


def test_times_below_a_second_are_all_in_ms() -> None:
    scenario = ml.Scenario(
        ml.Users("staff", users=3, think=ml.Exponential(mean=5.0), to="a"),
        ml.Service("a", service_time=ml.Exponential(mean=0.075), ttl=0.5, to="b"),
        ml.Service("b", service_time=ml.Exponential(mean=0.125)),
    )
    ax = plots.scenario(scenario)
    expected = {"work 75 ms, scv 1", "work 125 ms, scv 1", "expires after 500 ms", "think 5 s"}
    assert expected <= set(written(ax))
    assert "b (service: 1 worker, work 0.125 s, scv 1)" in plots.describe(ax)


def test_requests_go_from_left_to_right_and_back_below_everything() -> None:
    ax = plots.scenario(MESH)
    boxes, arrows = boxes_of(ax), arrows_of(ax)
    sources = [boxes[name].x1 for name in ("web", "app", "staff")]
    others = [boxes[name].x0 for name in boxes if name not in ("web", "app", "staff")]
    assert max(sources) < min(others)
    floor = min(box.y0 for box in boxes.values())
    for (source, target), path in arrows.items():
        if not target:
            continue
        assert path[0][0] == pytest.approx(boxes[source].x1)  # leaves on the right
        assert path[-1][0] == pytest.approx(boxes[target].x0)  # enters on the left
        assert boxes[source].y0 < path[0][1] < boxes[source].y1
        assert boxes[target].y0 < path[-1][1] < boxes[target].y1
        if (source, target) in {("mailer", "inbox"), ("back", "front")}:
            assert path[:, 1].min() < floor
        else:
            assert np.all(np.diff(path[:, 0]) >= -1e-9)


def test_the_way_of_an_arrow_keeps_clear_of_boxes_and_of_others() -> None:
    ax = plots.scenario(MESH)
    boxes, arrows = boxes_of(ax), arrows_of(ax)
    for (source, target), path in arrows.items():
        for name, box in boxes.items():
            if name not in (source, target):
                assert not any(box.padded(-0.01).contains(*corner) for corner in path)
    for (a, first), (b, second) in itertools.combinations(arrows.items(), 2):
        assert tuple(first[0]) != tuple(second[0]), (a, b)  # no two leave at one point
        assert tuple(first[-1]) != tuple(second[-1]), (a, b)


def chains() -> st.SearchStrategy[ml.Scenario]:
    """Draw scenarios of up to 5 services, with loops, that everything can leave."""

    @st.composite
    def drawn(draw: st.DrawFn) -> ml.Scenario:
        names = [f"s{i}" for i in range(draw(st.integers(1, 5)))]
        to = st.dictionaries(st.sampled_from(names), st.just(0.2), max_size=3)
        services = [ml.Service(n, service_time=WORK, to=draw(to) or None) for n in names]
        sources = [
            ml.Poisson(f"p{i}", rate=1.0, to=draw(st.sampled_from(names)))
            for i in range(draw(st.integers(1, 3)))
        ]
        return ml.Scenario(*sources, *services)

    return drawn()


@settings(max_examples=40)
@given(chains())
def test_boxes_never_overlap_and_arrows_never_run_through_them(scenario: ml.Scenario) -> None:
    ax = plots.scenario(scenario)
    plt.close(ax.figure)
    boxes, arrows = boxes_of(ax), arrows_of(ax)
    limits = ax.viewLim
    for a, b in itertools.combinations(boxes.values(), 2):
        assert not a.padded(0.05).overlaps(b)
    for (source, target), path in arrows.items():
        assert all(limits.contains(x, y) for x, y in path)
        for name, box in boxes.items():
            if name not in (source, target):
                assert not any(box.padded(-0.01).contains(x, y) for x, y in path)
                # who leaves goes into the open
                assert target or not box.padded(0.1).contains(*path[-1])


def test_a_self_loop_leaves_on_the_right_and_comes_back_on_the_left() -> None:
    scenario = ml.Scenario(
        ml.Poisson("in", rate=1.0, to="work"),
        ml.Service("work", service_time=WORK, to={"work": 0.25}),
    )
    ax = plots.scenario(scenario)
    loop, box = arrows_of(ax)["work", "work"], boxes_of(ax)["work"]
    assert (loop[0][0], loop[-1][0]) == pytest.approx((box.x1, box.x0))
    assert loop[:, 1].min() < box.y0
    assert {"25 %", "75 %"} <= set(written(ax))


def test_load_says_how_busy_and_which_is_the_bottleneck() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=30.0, to="front"),
        ml.Service("front", replicas=2, service_time=WORK, to="inbox"),
        ml.Queue("inbox"),
        ml.Handler("mailer", source="inbox", work=WORK),
    )
    words = written(plots.scenario(scenario, load=True))
    assert "30 % busy" in words
    assert "handlers 60 % busy" in words
    assert words.count("bottleneck") == 1
    assert not any("busy" in word for word in written(plots.scenario(scenario)))
    assert "load unknown" in written(plots.scenario(MESH, load=True))


def test_a_trace_is_drawn_without_reading_it() -> None:
    scenario = ml.Scenario(
        ml.Replay("shop", "nowhere/requests.csv", to="orders", time="t", service_time="s"),
        ml.Service("orders", replicas=10),
    )
    words = written(scenario.draw())
    assert {"recorded trace", "requests.csv", "work: each its own"} <= set(words)


def test_names_are_taken_literally() -> None:
    scenario = ml.Scenario(
        ml.Poisson("$a_1$ & b", rate=1.0, to="x^2$"), ml.Service("x^2$", service_time=WORK)
    )
    ax = plots.scenario(scenario)
    ax.figure.draw_without_rendering()
    assert {"$a_1$ & b", "x^2$"} <= set(written(ax))
    assert not any(text.get_parse_math() for text in ax.texts if "$" in text.get_text())


@pytest.mark.parametrize("size", [(9.0, 3.0), (3.0, 3.0)])
def test_given_axes_hold_the_whole_picture(size: tuple[float, float]) -> None:
    figure, axes = plt.subplots(1, 2, figsize=size)
    ax = plots.scenario(MESH, ax=axes[0])
    figure.draw_without_rendering()
    inside = ax.get_window_extent()
    for text in ax.texts:
        box = text.get_window_extent()
        assert inside.x0 - 1 <= box.x0
        assert box.x1 <= inside.x1 + 1
    across = inside.width / np.diff(ax.get_xlim())
    up = inside.height / np.diff(ax.get_ylim())
    assert across == pytest.approx(up)  # boxes keep their shape


def test_a_scenario_without_parts_is_refused() -> None:
    with pytest.raises(ml.PlotError, match="has no parts"):
        plots.scenario(ml.Scenario())
