"""Solutions and checks of notebook 01: look here after you have tried."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes


def gentle_partner() -> ml.PoissonBatches:
    """Return files of 13 orders.

    The first order of a file, and so each web customer, waits (60 + 10 size) / 1500 s: batch by
    batch, from the formula of Pollaczek and Khinchine.  With 20 ms of work that is 147 ms at 13
    and 153 ms at 14.
    """
    return ml.PoissonBatches("partner", rate=10 / 13, size=13, to="-")


def _partner(rate: float, size: int) -> Callable[[], ml.PoissonBatches]:
    return lambda: ml.PoissonBatches("partner", rate=rate, size=size, to="-")


@exercise(
    "01.gentle_partner",
    wrong=[
        _partner(0.2, 50),  # as before
        _partner(10 / 14, 14),  # too large
        _partner(1.0, 10),  # not the largest
        _partner(0.1, 13),  # fewer orders
        lambda: ml.Poisson("partner", rate=10.0, to="-"),  # no files
    ],
)
def check_gentle_partner(answer: Callable[[], ml.PoissonBatches]) -> Iterator[Case]:
    """Files, 10 orders a second; the response of web customers is that of batch arrivals."""
    yield case(
        answer,
        expected=passes(
            "a PoissonBatches with a number as its size",
            lambda got: isinstance(got, ml.PoissonBatches) and isinstance(got.size, int),
        ),
    )
    yield case(
        lambda: answer().long_run_rate(), says="the partner's orders a second", expected=10.0
    )
    yield case(
        lambda: _web_response(answer()),
        says="the mean response of web customers, s",
        expected=passes("less than 0.150", lambda response: response < 0.150),
    )
    yield case(
        lambda: answer().size,
        says="the size of a file, orders",
        expected=passes("the largest that will do", lambda size: size == 13),
    )


def _web_response(partner: ml.PoissonBatches) -> float:
    assert isinstance(partner.size, int)
    rate = 25.0 + partner.rate  # files and single orders of web customers
    sizes = {1: 1.0} if partner.size == 1 else {1: 25.0 / rate, partner.size: partner.rate / rate}
    batches = ml.theory.batch_mm1(batch_rate=rate, batch_size=sizes, service_rate=50.0)
    return batches.batch_wait + 0.020


def payment(change: ml.Event) -> ml.Event | None:
    """Return the event `order.paid` if a change of the table `orders` means that, else None.

    It was paid if the row says so now and did not before.  The change's id is the event's, so
    that a change that is delivered twice gives a duplicate, which everybody can recognise.
    """
    before, after = change.data["before"], change.data["after"]
    was_paid = before is not None and before["state"] == "paid"
    is_paid = after is not None and after["state"] == "paid"
    if was_paid or not is_paid:
        return None
    return ml.Event(id=change.id, source="/payments", type="order.paid", subject=change.subject)


def _again_and_again(change: ml.Event) -> ml.Event | None:
    after = change.data["after"]
    if after is None or after["state"] != "paid":
        return None
    return ml.Event(id=change.id, source="/payments", type="order.paid", subject=change.subject)


def _updates_only(change: ml.Event) -> ml.Event | None:
    return payment(change) if change.type == "orders.updated" else None


def _a_new_id_each_time(change: ml.Event) -> ml.Event | None:
    paid = payment(change)
    if paid is None:
        return None
    return ml.Event(id=uuid.uuid4().hex, source=paid.source, type=paid.type, subject=paid.subject)


def _one_id_for_each_order(change: ml.Event) -> ml.Event | None:
    paid = payment(change)
    if paid is None or paid.subject is None:
        return None
    return ml.Event(id=paid.subject, source=paid.source, type=paid.type, subject=paid.subject)


Row = dict[str, Any] | None


def _change(number: int, before: Row, after: Row, order: int = 17) -> ml.Event:
    return ml.change_event("orders", order, before, after, source="/db", id=f"log-{number}")


@exercise(
    "01.payment",
    wrong=[_again_and_again, _updates_only, _a_new_id_each_time, _one_id_for_each_order],
)
def check_payment(answer: Callable[[ml.Event], ml.Event | None]) -> Iterator[Case]:
    """Rows that become paid, that are paid already, that were never paid, and a repetition."""
    new, paid = {"state": "new", "euro": 59}, {"state": "paid", "euro": 59}
    cheaper, refunded = {"state": "paid", "euro": 49}, {"state": "refunded", "euro": 59}

    def told(*change: Any) -> tuple[str, str, str | None] | str:
        event = answer(_change(*change))
        return "None" if event is None else (event.type, event.source, event.subject)

    def identity(*change: Any) -> tuple[str, str] | None:
        event = answer(_change(*change))
        return None if event is None else event.identity

    yield case(
        lambda: told(1, new, paid),
        says="a row was new and is paid: type, source, subject",
        expected=("order.paid", "/payments", "17"),
    )
    yield case(lambda: told(2, None, new), says="a new row", expected="None")
    yield case(lambda: told(3, paid, refunded), says="paid, then refunded", expected="None")
    yield case(lambda: told(4, paid, cheaper), says="paid, then cheaper", expected="None")
    yield case(lambda: told(5, paid, None), says="a paid row was deleted", expected="None")
    yield case(
        lambda: told(6, None, paid, 18),
        says="a row that is inserted as paid: type, source, subject",
        expected=("order.paid", "/payments", "18"),
    )
    yield case(
        lambda: identity(1, new, paid) == identity(1, new, paid),
        says="whether the same change twice has one identity",
        expected=True,
    )
    yield case(
        lambda: identity(1, new, paid) == identity(7, refunded, paid),
        says="whether an order that is refunded and paid again has one identity for both",
        expected=False,
    )
