"""Solutions and checks of notebook 06: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise
from mesh_lab.store import Recorded, Transaction


def sell(store: ml.EventStore, stream: str, seats: int, event: ml.Event) -> bool:
    """Append `event` if the stream has fewer than `seats` events; return whether it did."""
    while (seen := store.version(stream)) < seats:
        try:
            store.append(stream, event, expected=seen)
            return True
        except ml.ConflictError:
            pass  # somebody was quicker: look again, decide anew
    return False


Seller = Callable[[ml.EventStore, str, int, ml.Event], bool]


def _ticket(name: str, type: str = "ticket.sold", **more: Any) -> ml.Event:
    return ml.Event(id=name, source="/tickets", type=type, **more)


class _Crowded(ml.EventStore):
    """A store in which rivals sell a ticket just before somebody else appends."""

    rivals: tuple[str, ...] = ()
    attempts = 0

    def append(
        self, stream: str, events: ml.Event | Iterable[ml.Event], *, expected: int | str = "any"
    ) -> range:
        self.attempts += 1
        if self.attempts > 50:
            raise RuntimeError("50 attempts, and still the same version is expected")
        if self.rivals:
            first, *rest = self.rivals
            self.rivals = tuple(rest)
            super().append(stream, _ticket(first))
        return super().append(stream, events, expected=expected)


def _stubborn(store: ml.EventStore, stream: str, seats: int, event: ml.Event) -> bool:
    seen = store.version(stream)
    while seen < seats:
        try:
            store.append(stream, event, expected=seen)
            return True
        except ml.ConflictError:
            store.append(stream, event)
            return True
    return False


def _unchecked(store: ml.EventStore, stream: str, seats: int, event: ml.Event) -> bool:
    if store.version(stream) >= seats:
        return False
    store.append(stream, event)
    return True


def _gives_up(store: ml.EventStore, stream: str, seats: int, event: ml.Event) -> bool:
    try:
        seen = store.version(stream)
        return seen < seats and bool(store.append(stream, event, expected=seen))
    except ml.ConflictError:
        return False


def _never_looks_again(store: ml.EventStore, stream: str, seats: int, event: ml.Event) -> bool:
    seen = store.version(stream)
    while seen < seats:
        try:
            store.append(stream, event, expected=seen)
            return True
        except ml.ConflictError:
            pass
    return False


def _one_too_many(store: ml.EventStore, stream: str, seats: int, event: ml.Event) -> bool:
    return sell(store, stream, seats + 1, event)


@exercise("06.sell", wrong=[_stubborn, _unchecked, _gives_up, _never_looks_again, _one_too_many])
def check_sell(answer: Seller) -> Iterator[Case]:
    """What was sold, in its order, and what the till said."""

    def sold(seats: int, before: int, rivals: int) -> list[object]:
        with _Crowded("sqlite://") as store:
            store.append("tonight", [_ticket(f"early-{n}") for n in range(1, before + 1)])
            store.rivals = tuple(f"rival-{n}" for n in range(1, rivals + 1))
            store.attempts = 0
            said = answer(store, "tonight", seats, _ticket("yours"))
            return [said, [kept.event.id for kept in store.read("tonight")]]

    yield case(
        lambda: sold(5, 1, 0),
        says="5 seats, 1 sold: your answer, and the tickets",
        expected=[True, ["early-1", "yours"]],
    )
    yield case(
        lambda: sold(2, 2, 0),
        says="2 seats, 2 sold",
        expected=[False, ["early-1", "early-2"]],
    )
    yield case(
        lambda: sold(5, 1, 2),
        says="5 seats, 1 sold, and 2 rivals are quicker",
        expected=[True, ["early-1", "rival-1", "rival-2", "yours"]],
    )
    yield case(
        lambda: sold(2, 1, 1),
        says="2 seats, 1 sold, and a rival takes the last",
        expected=[False, ["early-1", "rival-1"]],
    )


def resold(recorded: Recorded, t: Transaction) -> None:
    """Count in the table `resold`, show by show, the returned seats that were sold again."""
    where = {"stream": recorded.stream, "seat": recorded.event.subject}
    if recorded.event.type == "ticket.returned":
        t.execute("INSERT INTO waiting VALUES (:stream, :seat)", where)
    if recorded.event.type != "ticket.sold":
        return
    waited = t.execute("DELETE FROM waiting WHERE stream = :stream AND seat = :seat", where)
    if waited.rowcount == 0:
        return  # sold for the first time
    show = {"stream": recorded.stream}
    counted = t.execute("UPDATE resold SET times = times + 1 WHERE stream = :stream", show)
    if counted.rowcount == 0:
        t.execute("INSERT INTO resold VALUES (:stream, 1)", show)


Handler = Callable[[Recorded, Transaction], object]


def _add(t: Transaction, stream: str) -> None:
    t.execute("INSERT OR IGNORE INTO resold VALUES (:stream, 0)", {"stream": stream})
    t.execute("UPDATE resold SET times = times + 1 WHERE stream = :stream", {"stream": stream})


def _all_that_come_back(recorded: Recorded, t: Transaction) -> None:
    if recorded.event.type == "ticket.returned":
        _add(t, recorded.stream)


def _any_show(recorded: Recorded, t: Transaction) -> None:
    seat = {"seat": recorded.event.subject}
    if recorded.event.type == "ticket.returned":
        t.execute("INSERT OR IGNORE INTO waiting VALUES ('', :seat)", seat)
    elif t.execute("DELETE FROM waiting WHERE seat = :seat", seat).rowcount:
        _add(t, recorded.stream)


_back: set[tuple[str, str | None]] = set()


def _remembers_by_itself(recorded: Recorded, t: Transaction) -> None:
    seat = recorded.stream, recorded.event.subject
    if recorded.position == 1:
        _back.clear()
    if recorded.event.type == "ticket.returned":
        _back.add(seat)
    elif recorded.event.type == "ticket.sold" and seat in _back:
        _back.remove(seat)
        _add(t, recorded.stream)


@exercise("06.resold", wrong=[_all_that_come_back, _any_show, _remembers_by_itself])
def check_resold(answer: Handler) -> Iterator[Case]:
    """Histories in a few letters: s1 is seat 1 sold, r1 returned, o1 held for somebody."""
    types = {"s": "ticket.sold", "r": "ticket.returned", "o": "ticket.offered"}

    def projected(history: str, dies_at: int = 0) -> dict[str, int]:
        handled = 0

        def handle(recorded: Recorded, t: Transaction) -> object:
            nonlocal handled
            handled += 1
            given = answer(recorded, t)
            if handled == dies_at:
                raise TimeoutError
            return given

        with ml.EventStore("sqlite://") as store:
            with store.transaction() as t:
                t.execute(
                    "CREATE TABLE waiting (stream VARCHAR(200), seat VARCHAR(200), "
                    "PRIMARY KEY (stream, seat))"
                )
                t.execute("CREATE TABLE resold (stream VARCHAR(200) PRIMARY KEY, times INTEGER)")
                for number, word in enumerate(history.split()):
                    show, what, seat = list(word)
                    event = _ticket(str(number), types[what], subject=f"seat-{seat}")
                    t.append(f"show-{show}", event)
            projection = store.projection("resold", handle, batch=1)
            try:
                projection.run()
            except TimeoutError:
                projection.run()
            with store.reading() as connection:
                rows = connection.exec_driver_sql("SELECT stream, times FROM resold").all()
        return {row.stream: row.times for row in rows if row.times}

    yield case(
        lambda: projected("1s7 1r7 1s7"),
        says="seat 7 of show-1 is sold, returned and sold: the rows of resold",
        expected={"show-1": 1},
    )
    yield case(
        lambda: projected("1s7 1s8 1r7 1s9"),
        says="seat 7 comes back, and only others are sold",
        expected={},
    )
    yield case(
        lambda: projected("1s7 1r7 1s7 1r7 1s7 1s8 1r8 1s8"),
        says="seat 7 is sold again twice, and seat 8 once",
        expected={"show-1": 3},
    )
    yield case(
        lambda: projected("1s7 1r7 2s7 2r7 2s7 2r7"),
        says="two shows that both have a seat 7; that of show-1 is never sold again",
        expected={"show-2": 1},
    )
    yield case(
        lambda: projected("1s7 1r7 1o7 1s7"),
        says="seat 7 comes back, is offered to somebody (ticket.offered), and then sold",
        expected={"show-1": 1},
    )
    yield case(
        lambda: projected("1s7 1r7 1s7 1s8 1r8", dies_at=3),
        says="seat 7 is sold, returned and sold, and the power fails before that is committed",
        expected={"show-1": 1},
    )
