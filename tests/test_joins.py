"""Joins of events: by hand, and properties over any order, duplicates and left-overs."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_lab.errors import EventError, PartError
from mesh_lab.events import AllOf, AnyOf, Event, causes

KINDS = ("order.paid", "order.packed", "order.checked")


def event(number: int, kind: str, subject: str | None = "order-1", **more: Any) -> Event:
    return Event(id=str(number), source="/shop", type=kind, subject=subject, **more)


def moment(second: int) -> datetime:
    return datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)


# -- all of -----------------------------------------------------------------------------------


def test_all_of_by_hand() -> None:
    join = AllOf("order.paid", "order.packed", type="order.ready", source="/ready")
    packed = event(1, "order.packed", time=moment(9), key="ann")
    paid = event(2, "order.paid", time=moment(3), key="ann")
    assert join.offer(packed) is None
    assert join.offer(event(3, "order.paid", "order-2")) is None
    assert join.offer(event(4, "order.shipped")) is None
    joined = join.offer(paid)
    assert joined is not None
    assert (joined.source, joined.type) == ("/ready", "order.ready")
    assert (joined.subject, joined.key, joined.time) == ("order-1", "ann", moment(9))
    assert causes(joined) == (paid, packed)
    assert [event.id for event in join.pending()] == ["3"]


def test_the_joined_event_is_derived_from_its_causes_alone() -> None:
    made = [event(i, kind) for i, kind in enumerate(KINDS)]
    joined = set()
    for order in itertools.permutations(made):
        join = AllOf(*KINDS)
        *nothing, last = [join.offer(e) for e in order]
        assert nothing == [None, None]
        joined.add(last)
    assert len(joined) == 1
    (only,) = joined
    assert only is not None
    assert only.type == "order.paid+order.packed+order.checked"
    assert only.source == "/all-of"
    assert Event.from_json(only.to_json()) == only
    other = AllOf(*KINDS, type="something.else")
    assert [other.offer(e) for e in made][-1].id != only.id  # type: ignore[union-attr]


def test_what_the_causes_do_not_share_is_left_out() -> None:
    join = AllOf("a", "b", by="key")
    join.offer(event(1, "a", "x", key="k", time=moment(1)))
    joined = join.offer(event(2, "b", "y", key="k"))
    assert joined is not None
    assert (joined.subject, joined.key, joined.time) == (None, "k", None)


def test_duplicates_are_ignored_before_and_after_the_join() -> None:
    join = AllOf("order.paid", "order.packed")
    paid, packed = event(1, "order.paid"), event(2, "order.packed")
    offers = [join.offer(e) is not None for e in (paid, paid, packed, packed, paid)]
    assert offers == [False, False, True, False, False]
    assert join.duplicates == 3
    assert join.pending() == ()
    # the same id from another source is another event
    again = Event(id="1", source="/till", type="order.paid", subject="order-1")
    assert join.offer(again) is None
    assert join.pending() == (again,)


def test_more_of_one_type_join_first_with_first() -> None:
    join = AllOf("order.paid", "order.packed")
    for number in (1, 2, 3):
        assert join.offer(event(number, "order.paid")) is None
    first, second = join.offer(event(11, "order.packed")), join.offer(event(12, "order.packed"))
    assert first is not None
    assert second is not None
    assert [cause.id for cause in (*causes(first), *causes(second))] == ["1", "11", "2", "12"]
    assert [left.id for left in join.pending()] == ["3"]


offered = st.lists(
    st.tuples(st.integers(0, 30), st.sampled_from([*KINDS, "other"]), st.sampled_from("xyz")),
    max_size=60,
).map(lambda rows: [Event(id=f"{n}{kind}{s}", source="/shop", type=kind, subject=s)
                    for n, kind, s in rows])  # fmt: skip


@given(offered)
def test_every_event_is_joined_once_or_pending(given_events: list[Event]) -> None:
    join = AllOf(*KINDS)
    joined = [made for made in map(join.offer, given_events) if made is not None]
    used = Counter(cause.identity for made in joined for cause in causes(made))
    left = Counter(waiting.identity for waiting in join.pending())
    relevant = {e.identity for e in given_events if e.type in KINDS}
    assert used + left == Counter(relevant)
    assert len({made.identity for made in joined}) == len(joined)
    # as many joins of a subject as its rarest type allows
    for subject in "xyz":
        rarest = min(
            len({e.id for e in given_events if e.type == kind and e.subject == subject})
            for kind in KINDS
        )
        assert sum(made.subject == subject for made in joined) == rarest
    assert join.duplicates == sum(e.type in KINDS for e in given_events) - len(relevant)


@given(offered, st.integers(0, 2**32))
def test_duplicates_change_nothing(given_events: list[Event], choice: int) -> None:
    once = AllOf(*KINDS)
    expected = [made for made in map(once.offer, given_events) if made is not None]
    twice = AllOf(*KINDS)
    joined = []
    for i, e in enumerate(given_events):
        repeated = [e, *(given_events[: i + 1] if choice >> (i % 32) & 1 else [])]
        joined += [made for made in map(twice.offer, repeated) if made is not None]
    assert joined == expected
    assert twice.pending() == once.pending()


# -- any of -----------------------------------------------------------------------------------


def test_any_of_by_hand() -> None:
    join = AnyOf("paid.card", "paid.cash", type="order.paid")
    card, cash = event(1, "paid.card", time=moment(1)), event(2, "paid.cash")
    joined = join.offer(card)
    assert joined is not None
    assert (joined.type, joined.source, joined.subject) == ("order.paid", "/any-of", "order-1")
    assert causes(joined) == (card,)
    assert join.offer(card) is None
    assert join.offer(cash) is None
    assert (join.duplicates, join.late) == (1, 1)
    assert join.offer(event(3, "paid.cash", "order-2")) is not None
    assert join.pending() == ()


@given(offered)
def test_any_of_fires_once_a_group(given_events: list[Event]) -> None:
    join = AnyOf(*KINDS)
    joined = [made for made in map(join.offer, given_events) if made is not None]
    firsts: dict[str | None, Event] = {}
    for e in given_events:
        if e.type in KINDS:
            firsts.setdefault(e.subject, e)
    assert [causes(made)[0] for made in joined] == list(firsts.values())
    relevant = {e.identity for e in given_events if e.type in KINDS}
    assert join.late == len(relevant) - len(joined)


# -- by, nesting, errors ----------------------------------------------------------------------


def test_by_a_function_and_joins_of_joins() -> None:
    either = AnyOf("paid.card", "paid.cash", by=lambda e: e.data["order"], type="order.paid")
    both = AllOf("order.paid", "order.packed", by="subject")
    paid = either.offer(event(1, "paid.cash", data={"order": 17}))
    assert paid is not None
    assert both.offer(paid) is None
    done = both.offer(event(2, "order.packed"))
    assert done is not None
    assert causes(causes(done)[0])[0].type == "paid.cash"
    assert repr(both) == "AllOf('order.paid', 'order.packed', by='subject')"


def test_bytes_survive_as_a_cause() -> None:
    join = AllOf("a", "b")
    scan = event(1, "a", data=b"\x00\xff")
    join.offer(scan)
    joined = join.offer(event(2, "b"))
    assert joined is not None
    assert causes(joined)[0] == scan


@pytest.mark.parametrize(
    ("types", "options", "problem"),
    [
        (("a",), {}, r"AllOf, types: are \('a',\), but must be two or more different event types"),
        (("a", "a"), {}, "AllOf, types: are"),
        (("a", ""), {}, "AllOf, types: are"),
        (("a", 5), {}, "AllOf, types: are"),
        (("a", ["b"]), {}, "AllOf, types: are"),
        (("a", "b"), {"by": "colour"}, "by: is 'colour', but must be 'subject', 'key' or a funct"),
    ],
)
def test_joins_that_are_refused(types: Any, options: Any, problem: str) -> None:
    with pytest.raises(PartError, match=problem):
        AllOf(*types, **options)


def test_an_impossible_joined_event_is_refused_at_once() -> None:
    with pytest.raises(EventError, match="source: is 'my shop', but must be a URI reference"):
        AllOf("a", "b", source="my shop")


def test_events_without_what_they_are_joined_by() -> None:
    join = AllOf("a", "b")
    with pytest.raises(
        EventError, match=r"Event\(.*\) has no subject, by which AllOf\('a', 'b', by"
    ):
        join.offer(event(1, "a", None))
    with pytest.raises(EventError, match="has no value from the function by="):
        AllOf("a", "b", by=lambda e: None).offer(event(1, "a"))
    with pytest.raises(EventError, match=r"has the value from the function by= \[1\], which is"):
        AllOf("a", "b", by=lambda e: [1]).offer(event(1, "a"))  # type: ignore[arg-type, return-value]
    assert join.pending() == ()


@pytest.mark.parametrize("data", [None, 5, {"causes": 3}, {"reasons": []}])
def test_only_joined_events_have_causes(data: Any) -> None:
    with pytest.raises(EventError, match="lists no causes, so it is not a composite one"):
        causes(event(1, "a", data=data))
