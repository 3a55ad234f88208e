"""The model against a real Envoy (data/resilience/): timeouts per try and of the whole call.

Picks and pauses are Envoy's (`tests.envoy_model`), so that each request can be compared with
itself.  Tolerances: an outcome that hangs on less than 6 ms may go either way (`unlike`), and 99 %
of all times agree within 6 ms, the rest within 60 ms (`agrees`): that is the noise of the
recording.  Where pauses are drawn, the totals of Envoy's runs lie in the model's 99.9 % prediction
intervals.
"""

from __future__ import annotations

from collections import defaultdict

import pytest

import mesh_lab as ml
from tests import recorded_resilience as recorded
from tests.envoy_compare import agrees, late, predicted, same, unlike
from tests.envoy_model import Played, play, replayed
from tests.faults import Fault, planted
from tests.recorded_resilience import NOISE, runs_of

EXACT = ("plain", "timeouts", "timeout-route", "timeout-try-longer", "timeout-not-retried")


@pytest.mark.parametrize("run", runs_of(*EXACT))
def test_each_request_ends_as_it_did_and_so_does_each_attempt(run: str) -> None:
    """Up to 10 % of the requests hang on less than 6 ms: many were planned to come close."""
    played = replayed(run)
    assert agrees(run, played)
    assert same(run, played).count(False) <= (0.1 * len(played.status) if "time" in run else 0)
    assert not played.astray


CALLING = "mesh.calling"
FAULTS = {
    "a pause is not cut short by the end of the call": Fault(
        CALLING, "if now + call.pause < call.end:", "if True:"
    ),
    "the time of a call begins anew with each attempt": Fault(
        CALLING,
        "end = min(call.end, now + policy.per_try)",
        "call.end = now + policy.timeout\n        end = min(call.end, now + policy.per_try)",
    ),
    "the limit per try counts from the beginning of the call": Fault(
        CALLING,
        "end = min(call.end, now + policy.per_try)",
        "end = min(call.end, max(now, call.end - policy.timeout + policy.per_try))",
    ),
    "an attempt that timed out is not tried again": Fault(
        CALLING, "self._judge(call, attempt, TIMEOUT)", "self._end(call, TIMEOUT)"
    ),
    "one retry too many": Fault(
        CALLING, "and call.tried <= policy.times\n", "and call.tried <= policy.times + 1\n"
    ),
    "one retry too few": Fault(
        CALLING, "and call.tried <= policy.times\n", "and call.tried < policy.times\n"
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_rule_would_be_noticed(fault: str) -> None:
    with planted(fault, FAULTS):
        assert not agrees("timeouts-rr-1w-1", play("timeouts-rr-1w-1"))


def test_other_limits_would_be_noticed() -> None:
    """10 ms more or less, of either limit; the same requests as above."""
    run = "timeouts-rr-1w-1"
    assert unlike(run, play(run, limits=ml.Limits(max_retries=3)))
    for limits in ((0.25, 0.09), (0.25, 0.11), (0.24, 0.1), (0.26, 0.1)):
        again = ml.Retries(3, backoff=ml.EnvoyBackoff())
        policy = ml.Policy(timeout=limits[0], per_try_timeout=limits[1], retries=again)
        assert len(unlike(run, play(run, pauses=False, policy=policy))) > 20, limits


# --- Where the model says less --------------------------------------------------------------------


@pytest.mark.parametrize("run", runs_of("timeouts-coarse"))
def test_with_the_kernels_coarse_timers_one_request_in_twenty_may_differ(run: str) -> None:
    """A limit of 100 ms ends after 94 to 106 ms there; the model's timers are exact."""
    played = replayed(run)
    assert same(run, played).count(False) <= 0.05 * len(played.status)
    assert max(late(run, played)) <= NOISE + 4.0  # a tick


@pytest.mark.parametrize("run", runs_of("timeouts-default-breaker"))
def test_three_retries_at_a_time_where_many_things_happen_in_one_millisecond(run: str) -> None:
    """Requests come every 20 ms, answers after 20, limits end after 100: always several at once.

    Who comes first gets the retry, and that decides who gets the next ones.  So only totals are
    compared, within 5 % of the requests, and that most requests are alike nevertheless.
    """
    played, rows = replayed(run), recorded.requests(run)
    allowed = 0.05 * len(rows)
    for status in (200, 503, 504):
        found = sum(row["status"] == str(status) for row in rows)
        assert abs(played.status.count(status) - found) <= allowed, status
    assert abs(_attempts(played) - len(recorded.attempts(run))) <= allowed
    assert same(run, played).count(True) >= 0.8 * len(rows)


def _attempts(played: Played) -> int:
    return sum(map(len, played.tries.values()))


@pytest.mark.parametrize("run", runs_of("timeout-hedged"))
def test_a_hedge_is_sent_as_early_as_in_envoy_or_earlier(run: str) -> None:
    """The model's hedges are gRPC's: at the limit per try, and after a failure, without a pause.

    Envoy pauses first, up to 25, 50, 100 ms.  So no request ends later in the model, none fails
    that was well in Envoy, and attempts are as many or more.  Without failures and with one hedge
    at most that matters, requests end alike.
    """
    hedge = ml.Policy(timeout=0.25, hedge=ml.Hedge(delay=0.1, times=3))
    played, rows, zero = play(run, policy=hedge), recorded.requests(run), recorded.sent(run)
    tries = recorded.tries(run)
    ends: dict[str, list[tuple[float, float]]] = defaultdict(list)
    better = 0
    for i, (row, (_, case)) in enumerate(zip(rows, recorded.schedule(run), strict=True)):
        ends[case].append((float(row["took_ms"]), played.ended[i] - zero[i]))
        better += (row["status"], played.status[i]) == ("504", 200)
        assert (played.status[i] == int(row["status"])) or played.status[i] == 200
        assert len(played.tries[i]) >= len(tries[i]), row
    assert better <= 0.03 * len(rows)
    for case, both in ends.items():
        assert all(other <= end + NOISE for end, other in both), case
        if case in ("20", "80", "95", "105", "150", "110 90", "150 150 20", "240 240 240"):
            assert all(abs(other - end) <= NOISE for end, other in both), case
        if case == "150 20":  # the hedge wins, after a pause of up to 25 ms
            assert all(other - NOISE <= end <= other + 25 + NOISE for end, other in both)


# --- Drawn pauses ---------------------------------------------------------------------------------


def _good(played: Played) -> int:
    return played.status.count(200)


@pytest.mark.parametrize("scenario", ["timeouts", "timeout-route", "timeout-try-longer"])
def test_as_many_requests_are_in_time_where_the_model_draws_pauses(scenario: str) -> None:
    """12 runs of the model (seeds 1 to 12) predict each of Envoy's, at 99.9 %."""
    runs = runs_of(scenario)
    low, high = predicted(_good, runs, "rr")
    found = [int(recorded.runs()[run]["ok"]) for run in runs]
    assert all(low <= ok <= high for ok in found), (low, found, high)


def test_longer_pauses_would_be_noticed() -> None:
    """Those of the documentation, (2**N - 1) * 25 ms, leave fewer requests in time."""
    backoff = ml.EnvoyBackoff(rule="documentation")
    again = ml.Retries(3, backoff=backoff)
    policy = ml.Policy(timeout=0.25, per_try_timeout=0.1, retries=again)
    low, high = predicted(_good, runs_of("timeouts"), "rr", policy=policy)
    found = [int(recorded.runs()[run]["ok"]) for run in runs_of("timeouts")]
    assert not all(low <= ok <= high for ok in found), (low, found, high)
