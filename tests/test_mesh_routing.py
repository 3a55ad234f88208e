"""Routes: weights, rules, keys, mirrors, and canaries that roll back by themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest

import mesh_lab as ml
from mesh_lab.mesh.canary import Judge


def service(name: str, **fields: object) -> ml.Service:
    """Return a service that is never busy."""
    return ml.Service(name, workers=100, service_time=ml.Deterministic(value=0.01), **fields)


def routed(route: ml.Route, *versions: ml.Service, **source: object) -> ml.Scenario:
    """Return a source that calls a route."""
    return ml.Scenario(ml.Poisson("shop", rate=100.0, to="api", **source), route, *versions)


V1, V2, V3 = service("v1"), service("v2"), service("v3")


def counts(run: ml.Run) -> dict[str, int]:
    return {str(k): int(n) for k, n in run.calls["service"].value_counts().items()}


def test_weights() -> None:
    scenario = routed(ml.Route("api", to={"v1": 0.9, "v2": 0.1}), V1, V2)
    found = counts(ml.simulate(scenario, requests=20_000, seed=1))
    # 99.9 %: 3.29 standard errors of a share of 10 % of 20 000
    assert abs(found["v2"] - 2000) < 3.29 * math.sqrt(20_000 * 0.1 * 0.9)
    wrong = counts(
        ml.simulate(scenario.replace("api", to={"v1": 0.88, "v2": 0.12}), requests=20_000, seed=1)
    )
    assert abs(wrong["v2"] - 2000) > 3.29 * math.sqrt(20_000 * 0.1 * 0.9)


def test_another_weight_moves_only_who_must_move() -> None:
    scenario = routed(ml.Route("api", to={"v1": 0.9, "v2": 0.1}), V1, V2)
    few = ml.simulate(scenario, requests=5000, seed=1).calls["service"].astype(str)
    more = scenario.replace("api", to={"v1": 0.8, "v2": 0.2})
    many = ml.simulate(more, requests=5000, seed=1).calls["service"].astype(str)
    assert not ((few == "v2") & (many == "v1")).any()
    assert ((few == "v1") & (many == "v2")).sum() > 300


def test_the_first_rule_that_fits_decides() -> None:
    rules = (
        ml.Rule(to="v2", headers={"beta": "yes"}),
        ml.Rule(to="v3", subject="/pay*"),
    )
    scenario = routed(
        ml.Route("api", to="v1", rules=rules),
        *(V1, V2, V3),
        headers={"beta": {"yes": 0.5, "no": 0.5}},
        subject={"/pay/card": 0.5, "/cart": 0.5},
    )
    found = counts(ml.simulate(scenario, requests=8000, seed=1))
    for name, share in (("v1", 0.25), ("v2", 0.5), ("v3", 0.25)):
        spread = math.sqrt(8000 * share * (1.0 - share))
        assert abs(found[name] - 8000 * share) < 3.29 * spread, name


def test_a_rule_for_a_source() -> None:
    scenario = ml.Scenario(
        ml.Poisson("web", rate=50.0, to="api"),
        ml.Poisson("app", rate=50.0, to="api"),
        ml.Route("api", to="v1", rules=(ml.Rule(to="v2", source="app"),)),
        *(V1, V2),
    )
    run = ml.simulate(scenario, requests=500, seed=1)
    source = run.requests["source"].astype(str).to_numpy()[run.calls["request"]]
    assert ((run.calls["service"] == "v2").to_numpy() == (source == "app")).all()


def test_the_same_key_goes_the_same_way() -> None:
    route = ml.Route("api", to={"v1": 0.5, "v2": 0.5}, by="key")
    run = ml.simulate(routed(route, V1, V2, key=ml.Keys(200)), requests=5000, seed=1)
    table = run.calls.assign(key=run.requests["key"].to_numpy()[run.calls["request"]])
    ways = table.groupby("key")["service"].nunique()
    assert len(ways) == 200
    assert (ways == 1).all()
    assert 70 <= (table.groupby("key")["service"].first() == "v2").sum() <= 130


def test_a_mirror_changes_nothing_for_those_who_wait() -> None:
    plain = routed(ml.Route("api", to="v1"), V1, V2)
    slow = service("v2", failure=1.0)
    copied = routed(ml.Route("api", to="v1", mirror={"v2": 0.5}), V1, slow)
    before = ml.simulate(plain, requests=2000, seed=1)
    after = ml.simulate(copied, requests=2000, seed=1)
    assert before.requests.equals(after.requests)
    copies = after.calls[after.calls["service"] == "v2"]
    assert 850 < len(copies) < 1150
    assert (copies["result"] == "failed").all()
    assert copies["request"].is_unique


def test_services_call_routes_too() -> None:
    scenario = ml.Scenario(
        ml.Poisson("shop", rate=50.0, to="web"),
        service("web", calls=("api", ml.Parallel(("api", "v3")))),
        ml.Route("api", to={"v1": 0.5, "v2": 0.5}, policy=ml.Policy(timeout=0.001)),
        *(V1, V2, V3),
    )
    run = ml.simulate(scenario, requests=300, seed=1)
    run.check_invariants()
    behind = run.calls[run.calls["service"].isin(["v1", "v2"])]
    assert (behind["result"] == "timeout").all()
    assert set(behind["service"].unique()) == {"v1", "v2"}


# -- canaries --------------------------------------------------------------------------------------

CANARY = ml.Canary(service="v2", interval=10.0, step_weight=10.0, threshold=3)


def test_the_rule_step_by_step() -> None:
    judge = Judge(ml.Canary(service="v2", step_weight=20.0, max_weight=50.0, threshold=2))
    good, bad = [True] * 100, [True] * 98 + [False] * 2
    weights = [judge.check(60.0, [], []).weight]  # nothing to judge yet
    weights += [judge.check(120.0, good, [0.1] * 100).weight]
    assert judge.check(180.0, bad, [0.1] * 100).passed is False  # 98 %
    assert judge.check(240.0, [True] * 99 + [False], [0.1] * 100).passed  # exactly 99 %
    weights += [judge.weight]
    assert weights == [20.0, 40.0, 50.0]
    assert judge.check(300.0, good, [0.1] * 98 + [0.6] * 2).phase == "failed"  # the second failure
    assert judge.weight == 0.0
    assert judge.check(360.0, good, [0.1] * 100).phase == "failed"  # for good


def test_no_traffic_is_a_failed_check_but_not_at_first() -> None:
    judge = Judge(ml.Canary(service="v2"))
    assert judge.check(60.0, [], []).passed
    assert not judge.check(120.0, [], []).passed


def test_a_good_version_is_promoted() -> None:
    route = ml.Route("api", to={"v1": 1.0, "v2": 0.0}, canary=CANARY)
    run = ml.simulate(routed(route, V1, V2), until=100.0, seed=1)
    checks = run.canary("api")
    assert checks["weight"].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0, 100.0]
    assert checks["time"].tolist() == [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert checks["phase"].iloc[-1] == "promoted"
    late = run.calls[run.calls["sent"] > 60.0]
    assert (late["service"] == "v2").all()
    # the weights that the rows tell of are those that were in force
    share = (run.calls["service"] == "v2").groupby(run.calls["sent"] // 10.0).mean()
    assert np.allclose(share[:7], [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 1.0], atol=0.05)


def test_a_bad_version_is_rolled_back() -> None:
    route = ml.Route("api", to={"v1": 1.0, "v2": 0.0}, canary=CANARY)
    run = ml.simulate(routed(route, V1, service("v2", failure=0.2)), until=100.0, seed=1)
    checks = run.canary("api")
    assert checks["phase"].tolist() == ["progressing"] * 3 + ["failed"]
    assert checks["time"].iloc[-1] == 40.0
    assert (run.calls.loc[run.calls["sent"] > 40.0, "service"] == "v1").all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: ml.Route("api", to={"v1": 0.5, "v2": 0.4}),
            "add up to 0.9; they must add up to 1",
        ),
        (lambda: ml.Route("api", to="v1", canary=CANARY), "canary is of 'v2', but to is 'v1'"),
        (lambda: routed(ml.Route("api", to="v9"), V1), "there is no service 'v9'"),
        (
            lambda: routed(ml.Route("api", to={"v1": 0.5, "v2": 0.5}, by="key"), V1, V2),
            "'key' needs keys, but the requests of Poisson 'shop' have none",
        ),
        (
            lambda: ml.Canary(service="v2", step_weight=60.0),
            "step_weight is 60 %, but must be max_weight",
        ),
        (
            lambda: ml.simulate(routed(ml.Route("api", to="v1"), V1), requests=5, seed=1).canary(
                "api"
            ),
            "'api' is not a route with a canary=",
        ),
    ],
)
def test_errors_say_what_to_do(make: object, message: str) -> None:
    with pytest.raises(ml.MeshLabError) as error:
        make()  # type: ignore[operator]
    assert message in str(error.value)
