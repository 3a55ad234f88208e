"""Composite events that depend on time: by hand, and against their definitions from scratch."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mesh_lab as ml
from mesh_lab.errors import EventError, PartError
from mesh_lab.events import (
    CountWithin,
    Event,
    FollowedBy,
    NotFollowedBy,
    SlidingWindow,
    TumblingWindow,
    causes,
)
from mesh_lab.events.timed import Timed

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def event(name: str, second: float, kind: str = "a", subject: str = "s", **more: Any) -> Event:
    return Event(id=name, source="/x", type=kind, subject=subject, time=at(second), **more)


def ids(made: Iterable[Event]) -> list[list[str]]:
    return [[cause.id for cause in causes(one)] for one in made]


# -- windows ----------------------------------------------------------------------------------


def test_tumbling_by_hand() -> None:
    window = TumblingWindow("a", "b", size=60.0, type="minute", source="/minutes")
    assert window.offer(event("1", 0)) == ()  # belongs to 12:00
    assert window.offer(event("2", 59.999999, "b")) == ()
    assert window.offer(event("3", 30, subject="t")) == ()  # out of order, in time
    assert window.offer(event("4", 5, "c")) == ()  # not for it
    first, second = window.offer(event("5", 60))  # closes 12:00; belongs to 12:01
    assert (first.type, first.source, first.subject, first.time) == (
        "minute",
        "/minutes",
        "s",
        at(60),
    )
    assert first.data["count"] == 2
    assert (first.data["start"], first.data["end"]) == (at(0).isoformat(), at(60).isoformat())
    assert ids((first, second)) == [["1", "2"], ["3"]]
    assert second.subject == "t"
    assert [one.id for one in window.pending()] == ["5"]
    assert window.offer(event("6", 59)) == ()  # its window has closed
    assert window.offer(event("5", 60)) == ()
    assert (window.late, window.duplicates) == (1, 1)
    assert window.advance(at(119.999999)) == ()
    (third,) = window.advance(at(120))
    assert ids([third]) == [["5"]]
    assert window.advance(at(0)) == window.advance(at(500)) == ()  # never back; nothing empty
    assert window.clock == at(500)
    assert window.pending() == ()


def test_sliding_by_hand() -> None:
    window = SlidingWindow("a", size=60.0, every=20.0)
    assert window.offer(event("1", 10)) == ()  # in those from -40, -20, 0
    made = window.offer(event("2", 30))  # in those from -20, 0, 20; that from -40 ends at 20
    assert [(one.time, ids([one])) for one in made] == [(at(20), [["1"]])]
    made = window.advance(at(81))
    assert [(one.time, ids([one])[0]) for one in made] == [
        (at(40), ["1", "2"]),
        (at(60), ["1", "2"]),
        (at(80), ["2"]),
    ]
    assert len({one.id for one in made}) == 3
    # the windows from 40 and from 60 are open, that from 20 has closed
    assert window.offer(event("3", 79)) == ()
    assert window.late == 1
    assert ids(window.advance(at(200))) == [["3"], ["3"]]


def test_the_windows_do_not_depend_on_the_order_of_what_comes_in_time() -> None:
    offered = [event(str(k), second) for k, second in enumerate((1, 7, 3, 3, 9.5))]
    made = set()
    for order in itertools.permutations(offered):
        window = SlidingWindow("a", size=10.0, every=10.0)
        assert all(window.offer(one) == () for one in order)
        made.add(window.advance(at(10)))
    assert len(made) == 1


timed = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.sampled_from("st")), max_size=30
)


def made_of(rows: list[tuple[int, str, str]]) -> list[Event]:
    """Return events at the given half seconds, each with an id of its own."""
    return [event(str(k), half / 2, kind, subject) for k, (half, kind, subject) in enumerate(rows)]


@given(timed, st.integers(1, 12), st.integers(1, 12), st.integers(0, 60))
def test_windows_from_scratch(
    rows: list[tuple[int, str, str]], size: int, every: int, before: int
) -> None:
    every = min(size, every)
    window = SlidingWindow("a", "b", size=size / 2, every=every / 2)
    made = list(window.advance(at(before / 2 - 20)))
    clock = before - 40
    held: dict[tuple[int, str], list[str]] = {}
    late = 0
    base = int(NOON.timestamp()) * 2  # windows begin at multiples of `every` since 1970
    for one, (half, _, subject) in zip(made_of(rows), rows, strict=True):
        clock = max(clock, half)
        made += window.offer(one)
        starts = [s for s in range(half - size + 1, half + 1) if (base + s) % every == 0]
        open_ones = [start for start in starts if start + size > clock]
        late += len(open_ones) < len(starts)
        for start in open_ones:
            held.setdefault((start, subject), []).append(one.id)
    made += window.advance(at(1000))
    found = {}
    for one in made:
        (line,) = ids([one])
        start = datetime.fromisoformat(one.data["start"])
        key = (round((start - NOON) / timedelta(seconds=0.5)), one.subject)
        assert key not in found
        found[key] = sorted(line)
        assert one.data["count"] == len(line)
        assert one.time == start + timedelta(seconds=size / 2)
    assert found == {key: sorted(line) for key, line in held.items()}
    assert window.late == late
    assert [one.time for one in made] == sorted(one.time for one in made if one.time)


# -- one and then another ---------------------------------------------------------------------


def test_followed_by_by_hand() -> None:
    pair = FollowedBy("a", "b", within=10.0)
    assert pair.offer(event("b0", 0, "b")) == ()
    assert pair.offer(event("a1", 1)) == ()
    assert pair.offer(event("a2", 2)) == ()
    assert pair.offer(event("t", 3, "b", subject="t")) == ()
    assert pair.unmatched == 2
    (made,) = pair.offer(event("b1", 11, "b"))  # just in time
    assert ids([made]) == [["a1", "b1"]]
    assert (made.type, made.source, made.time, made.subject) == ("a>b", "/followedby", at(11), "s")
    assert [one.id for one in pair.pending()] == ["a2"]
    assert pair.offer(event("b2", 12.000001, "b")) == ()  # a2 has expired
    assert (pair.expired, pair.unmatched, pair.late) == (1, 3, 0)
    assert pair.offer(event("a3", 12)) == ()
    assert pair.late == 1
    assert pair.offer(event("b1", 11, "b")) == ()
    assert (pair.duplicates, pair.late) == (1, 1)
    # at one moment, the order is that in which they are offered
    pair.offer(event("a4", 20))
    assert ids(pair.offer(event("b4", 20, "b"))) == [["a4", "b4"]]


def test_an_event_may_be_followed_by_its_like() -> None:
    double = FollowedBy("a", "a", within=1.0)
    made = [ids(double.offer(event(str(k), second))) for k, second in enumerate((0, 1, 1.5, 4))]
    assert made == [[], [["0", "1"]], [["1", "2"]], []]
    silence = NotFollowedBy("a", "a", within=1.0)
    made = [ids(silence.offer(event(str(k), second))) for k, second in enumerate((0, 1, 1.5, 4))]
    assert made == [[], [], [], [["2"]]]
    assert ids(silence.advance(at(9))) == [["3"]]


def test_not_followed_by_by_hand() -> None:
    missing = NotFollowedBy("a", "b", within=10.0, type="unpaid")
    assert missing.offer(event("a1", 0)) == ()
    assert missing.offer(event("a2", 1, subject="t")) == ()
    assert missing.offer(event("a3", 2)) == ()
    assert missing.advance(at(10)) == ()  # an answer at 10 would be in time
    assert missing.offer(event("b1", 10, "b")) == ()  # and here it is
    (made,) = missing.advance(at(11.5))
    assert (made.type, made.subject, made.time, ids([made])) == ("unpaid", "t", at(11), [["a2"]])
    assert [one.id for one in missing.pending()] == ["a3"]
    assert missing.offer(event("b2", 11, "b")) == ()  # the clock is past that
    assert missing.late == 1
    (made,) = missing.offer(event("a4", 12.1))
    assert (ids([made]), made.time) == ([["a3"]], at(12))
    assert ids(missing.advance(datetime.max.replace(tzinfo=UTC))) == [["a4"]]


@given(timed, st.integers(1, 12))
def test_every_first_event_is_told_of_by_one_of_the_two(
    rows: list[tuple[int, str, str]], within: int
) -> None:
    followed = FollowedBy("a", "b", within=within / 2)
    missing = NotFollowedBy("a", "b", within=within / 2)
    offered = made_of(rows)
    pairs = [pair for one in offered for pair in ids(followed.offer(one))]
    alone = [one for e in offered for one in missing.offer(e)]
    followed.advance(at(1000))
    alone += missing.advance(at(1000))
    # from scratch: answers in order, each takes the oldest that waits
    clock, late = -1, 0
    waiting: list[tuple[int, str, str]] = []
    expected = []
    for (half, kind, subject), one in zip(rows, offered, strict=True):
        if half < clock:
            late += 1
            continue
        clock = half
        if kind == "a":
            waiting.append((half, subject, one.id))
            continue
        mine = [w for w in waiting if w[1] == subject and half - w[0] <= within]
        if mine:
            expected.append([mine[0][2], one.id])
            waiting.remove(mine[0])
    assert pairs == expected
    assert [line for (line,) in ids(alone)] == [w[2] for w in sorted(waiting, key=lambda w: w[0])]
    assert followed.expired == len(alone)
    assert followed.late == missing.late == late
    assert followed.pending() == missing.pending() == ()


# -- so many ----------------------------------------------------------------------------------


def test_count_within_by_hand() -> None:
    many = CountWithin("a", "b", count=3, within=10.0, type="burst")
    offers = [("1", 0, "a"), ("2", 5, "b"), ("3", 10.5, "a"), ("4", 15, "a"), ("5", 16, "b")]
    made = [ids(many.offer(event(name, second, kind))) for name, second, kind in offers]
    assert made == [[], [], [], [["2", "3", "4"]], []]  # from 5 to 15; counting begins anew
    assert [one.id for one in many.pending()] == ["5"]
    assert many.offer(event("6", 12)) == ()
    assert many.late == 1
    assert many.advance(at(26)) == ()
    assert [one.id for one in many.pending()] == ["5"]
    many.advance(at(26.000001))
    assert many.pending() == ()


@given(timed, st.integers(1, 12), st.integers(2, 4))
def test_counts_from_scratch(rows: list[tuple[int, str, str]], within: int, count: int) -> None:
    many = CountWithin("a", "b", count=count, within=within / 2)
    clock = -1
    lines: dict[str, list[tuple[int, str]]] = {"s": [], "t": []}
    for (half, _, subject), one in zip(rows, made_of(rows), strict=True):
        expected = []
        if half >= clock:
            clock = half
            line = [held for held in lines[subject] if half - held[0] <= within] + [(half, one.id)]
            if len(line) == count:
                expected, line = [[name for _, name in line]], []
            lines[subject] = line
        assert ids(many.offer(one)) == expected
    left = {held[1] for line in lines.values() for held in line if clock - held[0] <= within}
    assert {one.id for one in many.pending()} == left


# -- what all of them do ----------------------------------------------------------------------

ALL: list[Any] = [
    lambda **more: TumblingWindow("a", "b", size=5.0, **more),
    lambda **more: SlidingWindow("a", "b", size=5.0, every=2.0, **more),
    lambda **more: FollowedBy("a", "b", within=5.0, **more),
    lambda **more: NotFollowedBy("a", "b", within=5.0, **more),
    lambda **more: CountWithin("a", "b", count=2, within=5.0, **more),
]


@pytest.mark.parametrize("make", ALL)
@given(rows=timed)
def test_nothing_vanishes(make: Any, rows: list[tuple[int, str, str]]) -> None:
    """Every event is in a composite one, waits, or has been counted."""
    composer: Timed = make()
    offered = made_of(rows)
    made = [one for e in offered for one in (*composer.offer(e), *composer.offer(e))]
    told = {cause.id for one in made for cause in causes(one)}
    told |= {one.id for one in composer.pending()}  # type: ignore[attr-defined]
    assert composer.duplicates + composer.late >= len(rows)
    if isinstance(composer, SlidingWindow):
        partly = Counter(one.id for one in offered)
        assert len(partly) - len(told) <= composer.late
    ended = getattr(composer, "expired", 0) + getattr(composer, "unmatched", 0)
    if not isinstance(composer, NotFollowedBy | CountWithin):
        assert len(offered) - len(told) <= composer.late + ended


@pytest.mark.parametrize("make", ALL)
def test_grouped_by_key_or_function_with_a_type_and_source_of_their_own(make: Any) -> None:
    composer = make(by=lambda e: e.data["order"], type="made", source="/here")
    for name, kind, order in (("1", "a", 7), ("2", "b", 8), ("3", "b", 7)):
        composer.offer(event(name, 1, kind, subject=name, data={"order": order}))
    offers = composer.offer(event("9", 2, "a", key="k", data={"order": 9}))
    made = [*offers, *composer.advance(at(100))]
    assert all((one.type, one.source) == ("made", "/here") for one in made)
    by_key = make(by="key")
    with pytest.raises(EventError, match=r"has no key, by which "):
        by_key.offer(event("1", 1))
    assert by_key.offer(event("1", 1, key="k")) == ()  # what was refused is not used
    assert by_key.duplicates == 0


@pytest.mark.parametrize("make", ALL)
def test_times_in_any_zone_before_1970_and_at_the_ends_of_the_calendar(make: Any) -> None:
    composer = make()
    east = timezone(timedelta(hours=14))
    for name, time in (
        ("1", datetime.min.replace(tzinfo=timezone(timedelta(hours=-14)))),
        ("2", datetime(1900, 1, 1, tzinfo=UTC)),
        ("3", datetime(1900, 1, 1, 14, 0, 2, tzinfo=east)),
        ("4", datetime.max.replace(tzinfo=east)),
        ("5", datetime.max.replace(tzinfo=UTC)),
    ):
        composer.offer(Event(id=name, source="/x", type="a", subject="s", time=time))
    assert composer.late == 0
    composer.advance(datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))))
    assert composer.clock == datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("make", ALL)
def test_events_without_a_time_and_impossible_times_are_refused(make: Any) -> None:
    composer = make()
    with pytest.raises(
        EventError, match=r"Event\(.*\) has no time, which .*\('a', 'b', .* goes by"
    ):
        composer.offer(Event(id="1", source="/x", type="a", subject="s"))
    with pytest.raises(EventError, match="has no subject, by which"):
        composer.offer(Event(id="1", source="/x", type="a", time=NOON))
    for time in (None, 5, "noon", datetime(2026, 1, 1), "2026-02-31T00:00:00Z"):
        with pytest.raises(EventError, match="time: is "):
            composer.advance(time)
    assert composer.clock is None
    assert composer.offer(Event(id="1", source="/x", type="other")) == ()
    composer.advance("2026-01-01T12:00:00Z")
    assert composer.clock == NOON


BAD_SECONDS = [10**400, 1j, 0, -1.0, float("nan"), float("inf"), 1e12, True, "5", None, 1e-7]


@pytest.mark.parametrize("seconds", BAD_SECONDS)
def test_impossible_lengths_are_refused(seconds: Any) -> None:
    for make in (
        lambda: TumblingWindow("a", size=seconds),
        lambda: SlidingWindow("a", size=10.0, every=seconds),
        lambda: FollowedBy("a", "b", within=seconds),
        lambda: NotFollowedBy("a", "b", within=seconds),
        lambda: CountWithin("a", count=2, within=seconds),
    ):
        with pytest.raises(PartError, match="must be a number of seconds from 1e-6 to 1e11"):
            make()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: TumblingWindow(size=1.0), "types: are"),
        (lambda: TumblingWindow("a", "a", size=1.0), "TumblingWindow, types: are"),
        (lambda: TumblingWindow("a", size=1.0, by="colour"), "by: is 'colour', but must be"),
        (lambda: SlidingWindow("a", size=1.0, every=2.0), "every must not be longer"),
        (lambda: SlidingWindow("a", size=100.0, every=0.001), "nor less than a 10,000th"),
        (lambda: FollowedBy("a", "", within=1.0), "FollowedBy, types: are"),
        (lambda: NotFollowedBy("a", 5, within=1.0), "NotFollowedBy, types: are"),  # type: ignore[arg-type]
        (lambda: CountWithin("a", count=1, within=1.0), "count: is 1, but must be a whole number"),
        (lambda: CountWithin("a", count=2.0, within=1.0), "count: is 2.0"),  # type: ignore[arg-type]
        (lambda: CountWithin("a", count=True, within=1.0), "count: is True"),
    ],
)
def test_composers_that_are_refused(make: Any, problem: str) -> None:
    with pytest.raises(PartError, match=problem):
        make()


def test_an_impossible_composite_event_is_refused_at_once() -> None:
    with pytest.raises(EventError, match="source: is 'my shop'"):
        TumblingWindow("a", size=1.0, source="my shop")
    with pytest.raises(EventError, match="type"):
        FollowedBy("a", "b", within=1.0, type="")


def test_numbers_of_other_kinds_are_numbers() -> None:
    for number in (np.float64(2.0), np.int64(2), Fraction(2)):
        window = TumblingWindow("a", size=number)  # type: ignore[arg-type]
        window.offer(event("1", 1.999999))
        assert len(window.advance(at(2))) == 1
    assert CountWithin("a", count=np.int64(2), within=1.0).count == 2  # type: ignore[arg-type]


def test_composites_can_be_composed_and_survive_as_json() -> None:
    clicks = CountWithin("click", count=2, within=1.0, type="double")
    pairs = FollowedBy("double", "buy", within=10.0)
    clicks.offer(event("1", 1, "click"))
    (double,) = clicks.offer(event("2", 2, "click"))
    pairs.offer(double)
    (made,) = pairs.offer(event("3", 5, "buy"))
    assert Event.from_json(made.to_json()) == made
    assert [cause.id for cause in causes(causes(made)[0])] == ["1", "2"]


def test_they_are_there_for_everybody() -> None:
    for name in ("CountWithin", "FollowedBy", "NotFollowedBy", "SlidingWindow", "TumblingWindow"):
        assert getattr(ml, name).__name__ == name
        assert name in ml.__all__
    assert repr(TumblingWindow("a", size=5)) == "TumblingWindow('a', size=5)"
    assert repr(SlidingWindow("a", size=5, every=1)) == "SlidingWindow('a', size=5, every=1)"
    assert repr(FollowedBy("a", "b", within=5)) == "FollowedBy('a', 'b', within=5)"
    assert repr(CountWithin("a", count=3, within=5)) == "CountWithin('a', count=3, within=5)"
