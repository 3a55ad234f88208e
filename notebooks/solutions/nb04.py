"""Solutions and checks of notebook 04: look here after you have tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import mesh_lab as ml
from mesh_lab.course import Case, case, exercise, passes


def each_once(scenario: ml.Scenario) -> ml.Scenario:
    """Return `scenario` with the largest prefetch with which each order is delivered once."""
    work, visibility = _times(scenario)
    return scenario.replace("billing", prefetch=int(visibility // work))


def _times(scenario: ml.Scenario) -> tuple[float, float]:
    billing, orders = scenario["billing"], scenario["orders"]
    assert isinstance(billing, ml.Consumer)
    assert isinstance(billing.work, ml.Deterministic)
    assert isinstance(orders, ml.MessageQueue)
    assert orders.visibility is not None
    return billing.work.value, orders.visibility


def _shop(work: float, visibility: float, prefetch: int) -> ml.Scenario:
    return ml.Scenario(
        ml.PoissonBatches("partner", rate=1e-5, size=40, to="orders"),
        ml.MessageQueue("orders", visibility=visibility),
        ml.Consumer(
            "billing", source="orders", work=ml.Deterministic(value=work), prefetch=prefetch
        ),
    )


def _one_too_many(scenario: ml.Scenario) -> ml.Scenario:
    work, visibility = _times(scenario)
    return scenario.replace("billing", prefetch=int(visibility // work) + 1)


def _longer_timeout(scenario: ml.Scenario) -> ml.Scenario:
    return scenario.replace("orders", visibility=3600.0)


@exercise(
    "04.each_once",
    wrong=[
        _one_too_many,
        _longer_timeout,
        lambda scenario: scenario.replace("billing", prefetch=1),
        lambda scenario: scenario.replace("billing", prefetch=7),
    ],
)
def check_each_once(answer: Callable[[ml.Scenario], ml.Scenario]) -> Iterator[Case]:
    """As many as fit into the timeout, and not one more."""

    def rest(scenario: ml.Scenario) -> ml.Scenario:
        return answer(scenario).replace("billing", prefetch=1)

    def prefetch(scenario: ml.Scenario) -> object:
        return getattr(answer(scenario)["billing"], "prefetch", None)

    def doubled(scenario: ml.Scenario) -> int:
        run = ml.simulate(answer(scenario), requests=40, seed=1)
        return len(run.doubled("orders"))

    yield case(
        lambda: rest(_shop(4.0, 30.0, 10)),
        says="everything but the prefetch",
        expected=passes("as it was", lambda scenario: scenario == _shop(4.0, 30.0, 1)),
    )
    for work, visibility, most in ((4.0, 30.0, 7), (0.7, 10.0, 14), (12.0, 30.0, 2)):
        scenario = _shop(work, visibility, 20)
        says = f"of 40 orders at once, {work:g} s each, timeout {visibility:g} s"
        yield case(lambda s=scenario: doubled(s), says=f"handled twice {says}", expected=0)
        yield case(lambda s=scenario: prefetch(s), says=f"prefetch {says}", expected=most)


def charge(deliveries: Sequence[ml.Event]) -> dict[str | None, int]:
    """Return the euros that each customer is charged, as {subject: euros}."""
    charged: dict[str | None, int] = {}
    known = set()
    for event in deliveries:
        identity = event.source, event.id
        if identity not in known:
            known.add(identity)
            charged[event.subject] = charged.get(event.subject, 0) + event.data["euro"]
    return charged


def _charged(
    deliveries: Sequence[ml.Event], identity: Callable[[ml.Event], object]
) -> dict[str | None, int]:
    first = {identity(event): event for event in reversed(deliveries)}
    charged: dict[str | None, int] = {}
    for event in first.values():
        charged[event.subject] = charged.get(event.subject, 0) + event.data["euro"]
    return charged


def _not_twice_in_a_row(deliveries: Sequence[ml.Event]) -> dict[str | None, int]:
    charged: dict[str | None, int] = {}
    for before, event in zip([None, *deliveries], deliveries, strict=False):
        if event != before:
            charged[event.subject] = charged.get(event.subject, 0) + event.data["euro"]
    return charged


@exercise(
    "04.charge",
    wrong=[
        lambda deliveries: _charged(deliveries, id),
        lambda deliveries: _charged(deliveries, lambda event: event.id),
        lambda deliveries: _charged(deliveries, lambda event: (event.subject, event.data["euro"])),
        _not_twice_in_a_row,
    ],
)
def check_charge(answer: Callable[[Sequence[ml.Event]], dict[str, int]]) -> Iterator[Case]:
    """One event is one source and id, however often and whenever it comes."""
    ann, again, bob = _order("/shop", 1, "ann", 59), _order("/shop", 2, "ann", 59), "bob"
    other = _order("/market", 1, bob, 7)
    yield case(answer, [], expected={})
    yield case(
        lambda: answer([ann, ann]),
        says="ann's order of 59 euros, delivered twice",
        expected={"ann": 59},
    )
    yield case(
        lambda: answer([ann, again]),
        says="two orders of ann, 59 euros each",
        expected={"ann": 118},
    )
    yield case(
        lambda: answer([ann, other]),
        says="order 1 of /shop (ann, 59 euros) and order 1 of /market (bob, 7 euros)",
        expected={"ann": 59, "bob": 7},
    )
    yield case(
        lambda: answer([ann, other, again, ann, other, again, _order("/shop", 1, "ann", 59)]),
        says="all of them, again and again",
        expected={"ann": 118, "bob": 7},
    )


def _order(shop: str, number: int, customer: str, euro: int) -> ml.Event:
    return ml.Event(
        id=str(number), source=shop, type="order.placed", subject=customer, data={"euro": euro}
    )
