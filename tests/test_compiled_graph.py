"""Service graphs: the compiled engine gives the reference's columns, and names what it cannot run.

The scenarios are numbers 1, 2, 3, ... of `tests.scenarios_graph`.  Most run with the loop as plain
Python, which follows the same rules and needs no compiler; ``make differential`` compares thousands
with the compiled one, and asks for everything that `tests.features_graph` and
`tests.happenings_graph` list.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest

import mesh_lab as ml
from mesh_lab.engines import compiled
from mesh_lab.engines.compiled.compiling import installed
from mesh_lab.engines.compiled.graph import driver
from tests.compare_graph import Code, difference, first_difference, reasons, reference
from tests.differential_graph import WITHIN, compare, missing
from tests.faults import Fault, planted
from tests.faults_graph import FAULTS, LOOP, found_after
from tests.scenarios import Case
from tests.scenarios_graph import MIXES, cramped, make, mix_of
from tests.shrink_graph import report

PLAIN, COMPILED = 60, 25
WORK = ml.Exponential(mean=0.02)
SELDOM = (
    "pauses end before timeouts",
    "a pause that ends with the call is not cut short",
    "a pause does not know the one before",
    "lists of deadlines ring in another order",
)


def test_random_graphs_give_the_same_columns_with_the_plain_loop(
    capsys: pytest.CaptureFixture[str],
) -> None:
    coverage, found = compare(list(range(1, PLAIN + 1)), "plain")
    with capsys.disabled():
        print(f"\nplain loop and reference: {coverage}")
    assert not found, report(make(found[0]), "plain")
    lacking = missing(coverage, 1)
    assert len(lacking) < 12, lacking  # the differential asks for all of them


@pytest.mark.skipif(not installed(), reason="numba is not installed")
def test_random_graphs_give_the_same_columns_compiled() -> None:
    """Those of the first mix of rules, so that one loop is compiled."""
    seeds = [seed for seed in range(1, 2 * COMPILED * len(MIXES)) if mix_of(seed) == 0]
    coverage, found = compare(seeds[:COMPILED], "compiled")
    assert not found, report(make(found[0]), "compiled")
    assert coverage.cases == COMPILED
    assert all(coverage.has[rule] for rule in MIXES[0])


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    """Those that take long are only planted here; ``make differential`` looks for them, too."""
    if name in SELDOM:
        with planted(name, FAULTS):
            return
    assert found_after(name, WITHIN) is not None


def test_who_is_turned_away_after_a_way_there_draws_the_way_back() -> None:
    """Those who came later may have taken the place of the draws; random graphs seldom show it."""
    parts = (
        ml.PoissonBatches("shop", rate=0.5, size=3, to="page"),
        ml.Service(
            "page",
            capacity=0,
            service_time=ml.Deterministic(value=1.0),
            forward_delay=0.0,
            return_delay=ml.Exponential(mean=0.7),
            policy=ml.Policy(timeout=50.0),
        ),
    )
    cases = [Case(parts, 30, None, seed) for seed in range(1, 21)]
    assert any(cramped(case.seed) for case in cases)
    assert [first_difference(case, "plain") for case in cases] == [None] * len(cases)
    asks = Fault(LOOP, "happens and kind <= TIMER:", "happens and kind in (DONE, BACK, TIMER):")
    with planted("no draws", {"no draws": asks}):
        assert any(first_difference(case, "plain") for case in cases)


def test_a_difference_is_reported_small_and_can_be_pasted() -> None:
    name = "one retry too many"
    seed = found_after(name, WITHIN)
    assert seed is not None
    case = make(seed)
    with planted(name, FAULTS):
        text = report(case, "plain", tries=250)
        known: dict[str, Any] = {**vars(ml), "Case": Case}
        small = eval(text[text.index("Case(") :], known)
        assert first_difference(small, "plain") is not None
    assert first_difference(small, "plain") is None
    assert re.search(r"row \d+ differs in|rows, by the reference", text)
    assert len(repr(small)) < len(repr(case))


def test_differences_are_seen_in_every_column() -> None:
    """One other number anywhere, and one row less, are differences."""
    wanted = reference(make(7))
    assert not isinstance(wanted, str)
    assert difference(wanted, wanted) is None
    for field in dataclasses.fields(wanted):
        values = getattr(wanted, field.name)
        if values is None:
            continue
        other = values.copy()
        other[-1] = 1 - other[-1] if other[-1] == other[-1] else 0.0
        for wrong in (other, values[:-1]):
            got = dataclasses.replace(wanted, **{field.name: wrong})
            assert field.name in (difference(got, wanted) or ""), field.name


# -- the engine that is taken ----------------------------------------------------------------------


def graph() -> ml.Scenario:
    return ml.Scenario(
        ml.Poisson("shop", rate=20.0, to="page"),
        ml.Service("page", service_time=WORK, calls=("stock",)),
        ml.Service("stock", service_time=WORK, policy=ml.Policy(timeout=0.1)),
    )


@pytest.mark.skipif(not installed(), reason="numba is not installed")
@pytest.mark.parametrize(("engine", "asked"), [("compiled", 1), ("simpy", 0), ("reference", 0)])
def test_the_compiled_loop_is_taken_when_it_is_asked_for(engine: Any, asked: int) -> None:
    code = Code("plain")
    with mock.patch.object(driver, "compiled", return_value=code):
        ml.simulate(graph(), requests=50, seed=1, engine=engine)
    assert (code.answers.total() > 0) == asked


@pytest.mark.skipif(not installed(), reason="numba is not installed")
def test_the_compiled_loop_is_taken_by_itself_where_it_pays() -> None:
    asked = []

    def run(*given: Any, **limits: Any) -> Any:
        asked.append(limits["requests"])
        raise compiled.driver.NotForCompiled  # the reference does it

    with (
        mock.patch.object(compiled, "run_graph", run),
        mock.patch("mesh_lab.simulate._MANY", 100),
    ):
        ml.simulate(graph(), requests=99, seed=1)
        ml.simulate(graph(), requests=100, seed=1)
    assert asked == [100]


def test_every_random_graph_is_one_that_the_compiled_engine_takes() -> None:
    for seed in range(1, 200):
        scenario = make(seed).scenario
        assert scenario.called, seed
        assert reasons(scenario) == [], seed


# -- what it cannot run ----------------------------------------------------------------------------


class Own(ml.Balancer):
    """A rule that is not the package's."""

    @property
    def draws(self) -> int:
        return 0

    def state(self, *given: Any, **more: Any) -> Any:
        raise NotImplementedError


class Patient:
    """Pauses by a rule that is not the package's."""

    def pause(self, retry: int, uniform: float, last: float) -> float:
        return 1.0


def stock(**fields: Any) -> ml.Scenario:
    """Return a graph whose second service has these fields as well."""
    fields = {"service_time": WORK, **fields}
    return ml.Scenario(
        ml.Poisson("shop", rate=20.0, to="page", key=ml.Keys(10)),
        ml.Service("page", service_time=WORK, calls=("stock",)),
        ml.Service("stock", **fields),
    )


UNFIT: dict[str, tuple[dict[str, Any], str]] = {
    "work": ({"service_time": lambda request, rng: 0.02}, "a user's function says how long"),
    "io": ({"io": WORK}, "io= after the work"),
    "outages": ({"outages": ((1.0, 2.0),)}, "outages="),
    "changes": ({"changes": (ml.Fail(at=1.0, endpoint="stock-0"),)}, "changes="),
    "ttl": ({"ttl": 1.0}, "ttl="),
    "random": ({"discipline": "random"}, "discipline 'random'"),
    "ps": ({"discipline": "ps"}, "discipline 'ps'"),
    "preemptive": ({"discipline": "preemptive"}, "discipline 'preemptive'"),
    "overflow": ({"capacity": 1, "overflow": "drop_oldest"}, "overflow 'drop_oldest'"),
    "own pauses": (
        {"policy": ml.Policy(retries=ml.Retries(1, backoff=Patient()))},
        "pauses by a rule of the user's own",
    ),
    "function": ({"balancer": lambda sight, request: 0}, "a user's function is its balancer"),
    "own rule": ({"balancer": Own()}, "a user's own class is its balancer"),
    "hashes": ({"balancer": ml.RingHash()}, "hashes keys"),
    "oracle": ({"balancer": ml.JoinShortestQueue()}, "looks at the endpoints themselves"),
    "alarms": ({"balancer": ml.Prequal()}, "looks at the endpoints themselves"),
    "zones": (
        {
            "endpoints": (ml.Endpoint("a", zone="east"), ml.Endpoint("b", zone="west")),
            "eligible": ml.Eligible(zones=ml.LocalityWeighted(weights={"east": 1.0, "west": 2.0})),
        },
        "eligible=",
    ),
    "levels": (
        {"endpoints": (ml.Endpoint("a"), ml.Endpoint("b", priority=1))},
        "priority levels",
    ),
}


@pytest.mark.parametrize("what", UNFIT)
def test_what_cannot_be_compiled_is_named(what: str) -> None:
    fields, words = UNFIT[what]
    found = reasons(stock(**fields))
    assert len(found) == 1
    assert found[0].startswith("'stock': ")
    assert words in found[0]
    with pytest.raises(ml.ScenarioError, match=re.escape(words)):
        ml.simulate(stock(**fields), requests=10, seed=1, engine="compiled")


def test_a_policy_of_a_call_is_looked_at_too() -> None:
    slow = ml.Policy(retries=ml.Retries(1, backoff=Patient()))
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=20.0, to="page"),
        ml.Service("page", service_time=WORK, calls=(ml.Call("stock", policy=slow),)),
        ml.Service("stock", service_time=WORK),
    )
    assert [reason.partition(":")[0] for reason in reasons(scenario)] == ["'page'"]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (ml.Users("users", users=2, think=WORK, to="page"), "its users wait for answers"),
        (ml.Queue("inbox"), "a queue, beside services that call each other"),
        (ml.Service("first", service_time=WORK, to="page"), "(to=)"),
        (ml.MessageQueue("mail"), "events travel, too"),
    ],
)
def test_other_parts_are_named(part: Any, words: str) -> None:
    more = [part]
    if isinstance(part, ml.Queue):
        more.append(ml.Handler("worker", source="inbox", work=WORK))
    found = reasons(ml.Scenario(*graph().parts, *more))
    assert any(reason.startswith(repr(part.name)) and words in reason for reason in found), found


def test_a_circle_is_named() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=20.0, to="a", deadline=1.0),
        ml.Service("a", service_time=WORK, calls=(ml.Call("b", probability=0.5),)),
        ml.Service("b", service_time=WORK, calls=(ml.Call("a", probability=0.5),)),
    )
    assert reasons(scenario) == ["services call each other in a circle: 'a', 'b'"]


@pytest.mark.parametrize("what", ["connections", "throttle", "shedding", "faults"])
def test_what_may_come_is_named_or_gives_the_same_columns(what: str) -> None:
    make_one: dict[str, Callable[[], Any]] = {
        "connections": lambda: ml.Connections(),
        "throttle": lambda: ml.ClientThrottling(),
        "shedding": lambda: ml.CoDel(),
        "faults": lambda: ml.Faults(abort=0.1),
    }
    scenario = stock(**{what: make_one[what]()})
    found = reasons(scenario)
    if found:
        assert f"({what}=)" in found[0]
    else:
        assert first_difference(Case(scenario.parts, 60, None, 1), "plain") is None
