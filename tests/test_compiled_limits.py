"""Where the compiled engine comes to a border: room, memory, and what is left to the reference.

The loop runs as plain Python here, where an index beyond an array is an error.
"""

from __future__ import annotations

from unittest import mock

import pytest

import mesh_lab as ml
from mesh_lab.engines import compiled
from mesh_lab.engines.compiled import driver, loop
from mesh_lab.engines.compiled.driver import NotForCompiled
from tests.compare_compiled import first_difference
from tests.scenarios import Case

WORK = ml.Exponential(mean=0.01)


def test_the_agenda_has_room_for_the_probes_of_a_whole_batch() -> None:
    """A batch of 400 has 400 requests on their way and 1024 probes, in an agenda for 1034."""
    service = ml.Service(
        "s",
        replicas=10,
        workers=30,
        service_time=WORK,
        balancer=ml.Prequal(probe_delay=0.5),
        forward_delay=0.001,
    )
    case = Case((ml.PoissonBatches("b", rate=1.0, size=400, to="s"), service), 400, None, 1)
    assert first_difference(case, "plain", cramped=False) is None


def test_the_agenda_has_room_for_all_who_come_back_from_a_crash() -> None:
    service = ml.Service(
        "s",
        replicas=2,
        service_time=ml.Deterministic(value=1e3),
        changes=(ml.Fail(at=5.0, endpoint="s-0"), ml.Fail(at=5.0, endpoint="s-1")),
        return_delay=0.1,
    )
    case = Case((ml.PoissonBatches("b", rate=1.0, size=300, to="s"), service), None, 6.0, 2)
    assert first_difference(case, "plain", cramped=False) is None


def test_a_batch_is_cut_at_the_last_request_that_is_wanted() -> None:
    """A million come together and ten are wanted: there are no rows for the others."""
    for delay in (None, 0.0):  # one pass, and the loop
        service = ml.Service("s", replicas=2, service_time=WORK, forward_delay=delay)
        source = ml.PoissonBatches("b", rate=1.0, size=1_000_000, to="s")
        run = driver._Run(ml.Scenario(source, service), 1, 10, None, None, 0.0, None)
        with mock.patch.object(driver, "compiled", return_value=loop_as_it_is()):
            result = run.run()
        assert len(result.columns.made) == 10
        assert len(run.w.made) < 100


def loop_as_it_is() -> object:
    """Return the functions that the driver calls, not compiled."""
    from mesh_lab.engines.compiled import onepass

    return mock.Mock(run_loop=loop.run_loop, run_onepass=onepass.run_onepass)


def test_every_group_of_users_has_its_own_limit_in_one_instant() -> None:
    """A user may send a thousand requests in an instant; here two are turned away 750 times each.

    The first two take the worker and the only place in its line.
    """
    still = ml.Deterministic(value=0.0)
    sources = tuple(
        ml.Users(name, users=users, think=still, to="s")
        for name, users in (("a", 2), ("b", 1), ("c", 1))
    )
    service = ml.Service("s", service_time=ml.Deterministic(value=1e9), capacity=1)
    case = Case((*sources, service), 1500, None, 1)
    assert first_difference(case, "plain", cramped=False) is None
    with mock.patch.object(driver, "compiled", return_value=loop_as_it_is()):
        result = driver.run(case.scenario, 1, requests=1500, until=None)
    assert len(result.columns.made) == 1500


def test_a_starving_user_is_left_to_the_reference_when_no_rows_are_kept() -> None:
    """The first to be served by last-in-first-out goes round, the others wait for ever."""
    users = ml.Users("u", users=3, think=ml.Deterministic(value=0.0), to="s")
    service = ml.Service("s", service_time=WORK, discipline="lifo")
    with (
        mock.patch.object(driver, "compiled", return_value=loop_as_it_is()),
        mock.patch.object(driver, "_WINDOW", 0),
        mock.patch.multiple("mesh_lab.engines.compiled.feeding", CHUNK=8, WINDOW=16),
        mock.patch.multiple("mesh_lab.draws", _BITS=3, CHUNK=8, _MASK=7),
        pytest.raises(NotForCompiled, match="starves"),
    ):
        driver.run(
            ml.Scenario(users, service), 1, requests=2_000, until=None, ended=lambda ended: None
        )


def test_what_is_a_users_own_is_left_to_the_reference() -> None:
    class Reversed(ml.RoundRobin):
        """A rule of someone else's that a kernel of ours must not stand in for."""

    source = ml.Poisson("p", rate=1.0, to="s")

    def reasons(**fields: object) -> list[str]:
        found = compiled.reasons(
            ml.Scenario(source, ml.Service("s", service_time=WORK, replicas=3, **fields))
        )
        return [reason for reason in found if "numba" not in reason]

    assert reasons(balancer=Reversed()) == ["'s': a user's own class is its balancer"]
    assert reasons(workers=10**9) == []
    many = ["'s': 3,000,000,000 workers whose requests may be interrupted"]
    assert reasons(workers=10**9, discipline="preemptive") == many
    failures = ml.Failures(up=ml.Exponential(mean=9.0), down=WORK)
    assert reasons(workers=10**9, changes=(failures,)) == many


@pytest.mark.parametrize("others", [(), ("s-0",), ("s-1", "s-1")])
def test_an_endpoint_fails_at_random_in_one_way(others: tuple[str, ...]) -> None:
    failures = ml.Failures(up=ml.Exponential(mean=9.0), down=WORK)
    again = ml.Failures(up=ml.Exponential(mean=5.0), down=WORK, endpoints=others)
    with pytest.raises(ml.PartError, match=r"'s': changes: Failures of 's-\d' are declared"):
        ml.Service("s", service_time=WORK, replicas=2, changes=(failures, again))


def test_reasons_are_those_of_a_scenario() -> None:
    with pytest.raises(ml.ScenarioError, match="is told of a scenario, but was given Service"):
        compiled.reasons(ml.Service("s", service_time=WORK))  # type: ignore[arg-type]


@pytest.mark.parametrize("endpoint", [2, -1, "s-1", True])
def test_an_endpoint_that_is_not_there_has_no_steps(endpoint: object) -> None:
    source = ml.Poisson("p", rate=1.0, to="s")
    scenario = ml.Scenario(source, ml.Service("s", service_time=WORK, replicas=2))
    run = ml.simulate(scenario, requests=10, seed=1)
    assert len(run.steps("s", endpoint=1).time) > 1
    with pytest.raises(ml.ScenarioError, match=f"endpoints 0 to 1, and no {endpoint!r}"):
        run.steps("s", endpoint=endpoint)  # type: ignore[arg-type]
