"""Static rules against the picks of the real proxies that follow them, request by request."""

from __future__ import annotations

import pytest

from mesh_lab.balancing import RoundRobin, SmoothRoundRobin
from mesh_lab.balancing.rule import Balancer
from tests import recorded_picks
from tests.rule_bench import Bench

LISTS = recorded_picks.hosts()


def turns(rule: Balancer, weights: list[float], count: int) -> list[int]:
    bench = Bench(rule, len(weights), weights=weights)
    return [bench.pick() for _ in range(count)]


@pytest.mark.parametrize("name", LISTS)
def test_round_robin_is_that_of_envoy(name: str) -> None:
    picked = recorded_picks.picks("envoy-round-robin")[name]
    start = recorded_picks.starts("envoy-round-robin")[name]
    assert len(picked) == 1000
    assert turns(RoundRobin(start=start), LISTS[name][1], 1000) == picked


@pytest.mark.parametrize("name", ["three_weighted", "seven_weighted", "ten_weighted"])
def test_one_pick_earlier_or_later_is_not_what_envoy_did(name: str) -> None:
    """The comparison above sees a schedule that is one pick out."""
    picked = recorded_picks.picks("envoy-round-robin")[name]
    start = recorded_picks.starts("envoy-round-robin")[name]
    for wrong in (start - 1, start + 1):
        assert turns(RoundRobin(start=wrong), LISTS[name][1], 1000) != picked


@pytest.mark.parametrize("name", LISTS)
def test_smooth_round_robin_is_that_of_nginx(name: str) -> None:
    picked = recorded_picks.picks("nginx-round-robin")[name]
    assert len(picked) == 1000
    assert turns(SmoothRoundRobin(), LISTS[name][1], 1000) == picked


@pytest.mark.parametrize("proxy", ["nginx-round-robin", "haproxy-roundrobin"])
@pytest.mark.parametrize("name", ["three", "ten"])
def test_with_equal_weights_all_proxies_take_the_same_turns(proxy: str, name: str) -> None:
    assert turns(RoundRobin(), LISTS[name][1], 1000) == recorded_picks.picks(proxy)[name]
