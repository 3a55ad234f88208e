"""The guards of proxies on the compiled engine: the reference's columns, and what would go unseen.

The scenarios are numbers 1, 2, 3, ... of `tests.scenarios_guards`, in which budgets, limits,
breakers and ejection are tight.  Most run with the loop as plain Python.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab.columns import Columns
from mesh_lab.draws import Draws
from mesh_lab.engines import compiled
from mesh_lab.engines.compiled.compiling import installed
from mesh_lab.engines.compiled.driver import NotForCompiled
from mesh_lab.engines.compiled.graph import driver, guarding, loop
from mesh_lab.engines.compiled.graph.guards import Watch
from mesh_lab.engines.compiled.graph.stacked import stacked
from mesh_lab.engines.compiled.graph.tables import tables_of
from mesh_lab.engines.compiled.graph.world import CHANGES
from mesh_lab.ledger import OUTCOMES
from mesh_lab.mesh.calling import Caller
from mesh_lab.mesh.guards import Guards
from tests.compare_compiled import Coverage
from tests.compare_graph import LEFT, Code, first_difference, quarters, reasons, reference
from tests.faults import Fault, planted
from tests.scenarios import TRACES, Case
from tests.scenarios_graph import cramped, mix_of
from tests.scenarios_guards import make
from tests.shrink_graph import report

PLAIN, COMPILED, WITHIN = 150, 25, 200
WORK = ml.Exponential(mean=0.02)
LOOP, GUARDING = "engines.compiled.graph.loop", "engines.compiled.graph.guarding"
GUARDS, DRIVER = "engines.compiled.graph.guards", "engines.compiled.graph.driver"
STACKED, TABLES = "engines.compiled.graph.stacked", "engines.compiled.graph.tables"

FAULTS = {
    # retries
    "a hedge is not asked for": Fault(
        LOOP, "happens = p < 0 or may_retry(guards, guarded[s], s, p, now)", "happens = True"
    ),
    "what a call holds is lost when it ends": Fault(
        LOOP, "while cs_held[leaves] > 0:", "while cs_held[leaves] > 9:"
    ),
    "a retry asks the first proxy": Fault(
        LOOP,
        "sender < 0 or may_retry(guards, guarded[s], s, sender, now)",
        "sender < 0 or may_retry(guards, guarded[s], s, g_pool[s], now)",
    ),
    "first attempts deposit nothing": Fault(
        LOOP, "guarded[s], s, p, tried == 0, now)", "guarded[s], s, p, tried == 1, now)"
    ),
    # limits and breakers
    "what the breaker of an endpoint refuses stays under way": Fault(
        GUARDING,
        "refused = OPEN\n            if bits & LIMITS:",
        "refused = OPEN\n            if bits < 0:",
    ),
    "who is dismissed keeps the probe": Fault(
        GUARDING,
        "    if bits & PER_SERVICE:\n        circuit_cancelled(",
        "    if bits < 0:\n        circuit_cancelled(",
    ),
    "others go where the probe has gone": Fault(
        LOOP, "elif passed > 1 and guarded[s] & PER_ENDPOINT:", "elif passed > 99:"
    ),
    "a cancelled probe stays given out": Fault(
        GUARDING, "turned = circuit_cancelled(circuits, at, now, passed)", "turned = 0"
    ),
    "pauses of breakers draw as back-offs": Fault(
        TABLES, 'column("uniform", part.name, "breaker")', 'column("uniform", part.name, "pause")'
    ),
    # ejection, and what Python does
    "sweeps change no pools": Fault(GUARDS, "now, u) > 0:", "now, u) > 99:"),
    "there is one sweep": Fault(
        DRIVER, "            self._plan(what, interval)", "            pass"
    ),
    "all proxies draw the same for their sweeps": Fault(
        GUARDS, '"sweep", str(number))', '"sweep", "0")'
    ),
    "chances of ejection are those of the first draw": Fault(
        TABLES, 'f"eject{k}" if k else "eject"', '"eject"'
    ),
    "of all services that eject the first is meant": Fault(
        GUARDS, "return self._of(s, EJECTOR) + p - self.first[s]", "return p - self.first[s]"
    ),
    "the rule begins anew with the pools": Fault(
        STACKED,
        "        single.arrange(now)\n",
        "        single.state = None\n        single.arrange(now)\n",
    ),
    "rearranged pools are those of the first proxy": Fault(
        STACKED,
        'blocks["pool"][blocks["pool"] >= 0] = p',
        'blocks["pool"][blocks["pool"] >= 0] = 0',
    ),
}

_expected: dict[int, Columns | str] = {}


def expected(seed: int) -> Columns | str:
    """Return the columns by the reference, worked out once."""
    if seed not in _expected:
        with quarters(cramped(seed)):
            _expected[seed] = reference(make(seed))
    return _expected[seed]


@contextmanager
def watched() -> Iterator[Counter[str]]:
    """Count what the guards of the reference do, which no column shows."""
    seen: Counter[str] = Counter()

    def noting(method: Any, what: str) -> Any:
        def call(*given: Any) -> Any:
            answer = method(*given)
            seen[f"{what} {bool(answer)}"] += 1
            return answer

        return call

    def closing(self: Caller, call: Any, *rest: Any) -> Any:
        seen["held at the end"] += bool(call.held)
        return close(self, call, *rest)

    close = Caller._close
    names = ("admit", "may_retry", "ended", "cancelled", "sweep")
    with (
        mock.patch.multiple(Guards, **{n: noting(getattr(Guards, n), n) for n in names}),
        mock.patch.object(Caller, "_close", closing),
    ):
        yield seen


def test_guarded_graphs_give_the_same_columns_with_the_plain_loop() -> None:
    results: Counter[str] = Counter()
    with watched() as seen:
        for seed in range(1, PLAIN + 1):
            columns = expected(seed)
            if not isinstance(columns, str):
                assert columns.result is not None
                results.update(OUTCOMES[k] for k in np.unique(columns.result))
    assert min(results[name] for name in ("open", "overflow", "unavailable", "ok")) >= 40, results
    both = ("may_retry", "ended", "sweep")
    wanted = [f"{name} {value}" for name in both for value in (False, True)]
    wanted += ["admit False", "cancelled True", "held at the end"]
    assert all(seen[what] >= 5 for what in wanted), seen
    coverage = Coverage()
    differ = [
        seed
        for seed in range(1, PLAIN + 1)
        if first_difference(make(seed), "plain", expected=expected(seed), coverage=coverage)
    ]
    assert not differ, report(make(differ[0]), "plain")
    assert coverage.happened[LEFT] < PLAIN // 5


@pytest.mark.skipif(not installed(), reason="numba is not installed")
def test_guarded_graphs_give_the_same_columns_compiled() -> None:
    """Those of the first mix of rules, so that one loop is compiled."""
    seeds = [seed for seed in range(1, 1000) if mix_of(seed) == 0][:COMPILED]
    differ = [s for s in seeds if first_difference(make(s), "compiled", expected=expected(s))]
    assert len(seeds) == COMPILED
    assert not differ, report(make(differ[0]), "compiled")


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found(name: str) -> None:
    with planted(name, FAULTS):
        assert any(
            first_difference(make(seed), "plain", expected=expected(seed))
            for seed in range(1, WITHIN + 1)
        )


def test_others_that_are_left_with_their_call_draw_for_the_guards() -> None:
    """Later requests may have taken the place of their draws; random graphs seldom show it."""
    parts = (
        ml.Poisson("shop", rate=4.0, to="page"),
        ml.Service(
            "page",
            replicas=3,
            workers=2,
            service_time=ml.Exponential(mean=2.0),
            failure=0.3,
            policy=ml.Policy(timeout=4.0, hedge=ml.Hedge(delay=1.0, times=2)),
            breaker=ml.ConsecutiveBreaker(max_failures=2, min_penalty=0.5),
        ),
    )
    cases = [Case(parts, 100, None, seed) for seed in range(1, 21)]
    assert [first_difference(case, "plain") for case in cases] == [None] * len(cases)
    known = "        if not known_draws(tag, reach, bits, ways[v], number):"
    with planted("no draws", {"no draws": Fault(LOOP, known, "        if v < 0:")}):
        assert any(first_difference(case, "plain") for case in cases)


def test_retries_are_given_back_in_the_order_in_which_they_were_given() -> None:
    held, holders = np.array([0, 3]), np.array([-1, -1, -1, 7, 5, 6])
    assert [loop.held_first(held, holders, 3, 1) for _ in range(3)] == [7, 5, 6]
    assert held.tolist() == [0, 0]


# -- tables --------------------------------------------------------------------------------------


def test_the_tables_hold_what_is_declared() -> None:
    """Numbers of every family come back from where they were put, and arrays do not overlap."""
    for seed in range(1, 60):
        case = make(seed)
        services = [part for part in case.parts if isinstance(part, ml.Service)]
        tables = tables_of(case.scenario)
        if not tables.graph.guards.any():
            continue
        draws = Draws(seed)
        watch = Watch(services, tables, stacked(services, draws), draws)
        ints, floats = watch.ints, watch.floats
        for s, part in enumerate(services):
            n = len(part.ever)
            states = [guarding.uses_of(ints, s)] if part.limits else []
            wanted = [part.limits.state(1, ml.balancing.rule.Arrays())] if part.limits else []
            for declared, found in (
                (part.budget, guarding.budgets_of),
                (part.breaker, guarding.circuits_of),
                (part.ejection, guarding.outliers_of),
            ):
                if declared is not None:
                    make_state: Any = declared.state
                    size = (1,) if declared is part.budget else (1, n)
                    wanted.append(make_state(*size, ml.balancing.rule.Arrays()))
                    states.append(found(ints, floats, s))
            for state, other in zip(states, wanted, strict=True):
                for name, value, right in zip(state._fields, state, other, strict=True):
                    if name == "room":
                        assert value >= right
                    elif not isinstance(right, np.ndarray):
                        assert value == right, (seed, part.name, name)
                    elif name in ("at_most", "actions", "leads_to"):
                        assert value.tolist() == right.tolist()
            _marked(watch, s)
        assert np.all(np.diff(ints[: guarding.AREAS + 1]) >= 0)
        assert ints[guarding.AREAS] == len(ints)


def _marked(watch: Watch, s: int) -> None:
    """Note an ejection and an open breaker of each proxy: only that proxy bars that endpoint."""
    part, bits = watch.services[s], watch.bits[s]
    proxies = range(watch.first[s], watch.first[s] + part.proxies)
    everybody = range(len(watch.service_of))
    before = [watch.barred(p, 1.0) for p in everybody]
    for p in proxies:
        if bits & guarding.EJECTS:
            outliers = guarding.outliers_of(watch.ints, watch.floats, s)
            at = watch._ejector(s, p) * outliers.stride + len(part.ever) - 1
            outliers.ejected[at] = 1
            after = [watch.barred(p, 1.0) for p in everybody]
            outliers.ejected[at] = 0
            assert after[p] == before[p] | {len(part.ever) - 1}
            assert [a for q, a in enumerate(after) if q != p] == [
                b for q, b in enumerate(before) if q != p
            ]
        if bits & guarding.PER_ENDPOINT:
            circuits = guarding.circuits_of(watch.ints, watch.floats, s)
            at = guarding.circuit_at(watch.ints, bits, s, p, 0)
            circuits.state[at], circuits.until[at] = 1, 5.0
            after = [watch.barred(p, 1.0) for p in everybody]
            circuits.state[at], circuits.until[at] = 0, -np.inf
            assert after[p] == before[p] | {0}
            assert [a for q, a in enumerate(after) if q != p] == [
                b for q, b in enumerate(before) if q != p
            ]


# -- which engine, and how often it asks -----------------------------------------------------------


def test_guards_are_no_reason_any_more() -> None:
    for seed in range(1, 200):
        assert reasons(make(seed).scenario) == [], seed


def test_a_rule_that_becomes_another_is_left_to_the_reference() -> None:
    """Turns by weight become plain turns when all that are left weigh the same."""
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=50.0, to="stock"),
        ml.Service(
            "stock",
            endpoints=(ml.Endpoint("a", weight=2.0), ml.Endpoint("b")),
            service_time=WORK,
            failure=0.5,
            breaker=ml.ConsecutiveBreaker(max_failures=1),
            eligible=ml.Eligible(panic=0.0),
        ),
    )
    assert not reasons(scenario)
    with (
        mock.patch.object(driver, "compiled", return_value=Code("plain")),
        pytest.raises(NotForCompiled, match="another kind"),
    ):
        compiled.run_graph(scenario, 1, requests=200, until=None)
    if installed():
        with mock.patch.object(driver, "compiled", return_value=Code("plain")):
            quick = ml.simulate(scenario, requests=200, seed=1, engine="compiled").columns
        slow = ml.simulate(scenario, requests=200, seed=1, engine="reference").columns
        assert np.array_equal(quick.start, slow.start, equal_nan=True)


def test_sweeps_end_when_nothing_else_will_happen() -> None:
    """A run until a late hour does not go through a million sweeps."""
    stock = ml.Service(
        "stock",
        service_time=WORK,
        failure=0.5,
        ejection=ml.OutlierDetection(interval=1.0),
        policy=ml.Policy(timeout=5.0),
    )
    shop = ml.Replay("shop", path=TRACES / "continuous.csv", time="at", to="stock")
    case = Case((shop, stock), None, 1e6, 1)
    code = Code("plain")
    assert first_difference(case, "plain") is None
    with mock.patch.object(driver, "compiled", return_value=code):
        compiled.run_graph(case.scenario, 1, requests=None, until=1e6)
    assert 520 <= code.answers[CHANGES] <= 530  # the last one comes after 523 s


def test_more_services_eject_than_there_were_places_for_events() -> None:
    ejection = ml.OutlierDetection(interval=1.0)
    parts = [ml.Service(f"s{i}", service_time=WORK, ejection=ejection) for i in range(40)]
    case = Case((ml.Poisson("shop", rate=1.0, to="s7"), *parts), 5, None, 1)
    with mock.patch.object(driver, "_PLACES", -20):
        assert first_difference(case, "plain") is None


@pytest.mark.parametrize(("guards", "kind"), [({}, "Unguarded"), ({"limits": 1}, "Guarded")])
def test_what_is_not_guarded_has_a_loop_without_guards(guards: Any, kind: str) -> None:
    limits = {"limits": ml.Limits()} if guards else {}
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=5.0, to="stock"),
        ml.Service("stock", service_time=WORK, policy=ml.Policy(timeout=1.0), **limits),
    )
    seen = []

    class Noting(Code):
        def run_graph(self, *arguments: Any) -> int:
            seen.append(type(arguments[3]).__name__)
            return super().run_graph(*arguments)

    with mock.patch.object(driver, "compiled", return_value=Noting("plain")):
        compiled.run_graph(scenario, 1, requests=20, until=None)
    assert set(seen) == {kind}
