"""The model against a real Envoy (data/resilience/): who is ejected when, and who returns when.

Envoy's picks are replayed, so that each host answers the same requests; what is compared is the log
of ejections.  Tolerances: an ejection within 5 ms of the model's, and a return at the same sweep,
within 5 ms (README beside the data; 15 ms with Envoy's own coarse timers).  Two returns hang on
less than a millisecond, and may slip (`slipped`):

* whether the sweep right after a return lowers the host's multiplier.  In the model it does; in
  Envoy it did not for at most one host in a run, which then stays out 2 s longer.
* whether an ejection that a sweep has made, for a whole number of intervals, is over at the sweep
  of that time.  In the model it is; in Envoy the host sometimes came back one sweep later.

Not in the model: merging of updates, by which a host that is ejected right after its return goes on
getting requests for a second (`eject-one-default`).  Workers are not told apart: they share all
this.
"""

from __future__ import annotations

import pytest

import mesh_lab as ml
from tests import recorded_resilience as recorded
from tests.envoy_compare import agrees, marks, predicted, slipped, unlike
from tests.envoy_model import Played, play, replayed
from tests.envoy_parts import guards_of
from tests.faults import Fault, planted
from tests.recorded_resilience import runs_of

EXACT = 5.0  # ms
IN_A_ROW = (
    "eject-one",
    "eject-two-of-ten",
    "eject-half",
    "eject-panic",
    "eject-nine",
    "eject-nine-always",
    "eject-timeouts",
)
BY_RATES = ("eject-success-rate", "eject-success-rate-three", "eject-failure-percentage")
LOWERED_LATE, BACK_LATE = (2000.0,), (1000.0,)


@pytest.mark.parametrize("run", runs_of(*IN_A_ROW))
def test_errors_in_a_row_eject_who_was_ejected_then(run: str) -> None:
    """In one run of `eject-half` in four, one host's multiplier is lowered a sweep later."""
    played = replayed(run)
    slips = slipped(run, played, EXACT, LOWERED_LATE)
    assert slips is not None, (marks(run), played.marks)
    assert slips <= ("eject-half" in run)
    # a pick as close as that to a return is one that the model does not have
    assert len(unlike(run, played)) <= len(played.astray) <= 1


@pytest.mark.parametrize("run", runs_of(*BY_RATES))
def test_rates_eject_who_was_ejected_then(run: str) -> None:
    played = replayed(run)
    slips = slipped(run, played, EXACT, BACK_LATE)
    assert slips is not None, (marks(run), played.marks)
    assert slips <= 2
    assert len(unlike(run, played)) <= len(played.astray) <= 1


@pytest.mark.parametrize("run", runs_of(*IN_A_ROW, *BY_RATES))
def test_the_same_requests_fail(run: str) -> None:
    played, rows = replayed(run), recorded.requests(run)
    status = [int(row["status"]) for row in rows]
    differ = sum(a != b for a, b in zip(status, played.status, strict=True))
    assert differ <= len(played.astray)
    assert agrees(run, played) or played.astray


@pytest.mark.parametrize("run", runs_of("eject-one-default"))
def test_by_default_a_host_goes_on_getting_requests_for_a_second(run: str) -> None:
    """The log agrees; what went to a host that was out already is Envoy's merging, for 1 s."""
    played = replayed(run)
    slips = slipped(run, played, 15.0, LOWERED_LATE)
    assert slips is not None, (marks(run), played.marks)
    assert slips <= 1
    outs = [(time, host) for time, host, out in marks(run) if out]
    for time, host in played.astray:
        assert any(host == who and 0.0 <= time - out <= 1015.0 for out, who in outs), time
    assert 20 <= len(played.astray) <= 35
    assert len(unlike(run, played)) == len(played.astray)


# --- Other rules ----------------------------------------------------------------------------------

EJECTING, SWEEPING = "resilience.ejecting", "resilience.sweeping"
FAULTS = {
    "every ejection lasts one base time": (
        "eject-one-rr-1w-1",
        Fault(EJECTING, "stay = s.multiplier[at] * s.base", "stay = s.base"),
    ),
    "the multiplier is never lowered": (
        "eject-one-rr-1w-1",
        Fault(SWEEPING, "s.multiplier[at] -= 1", "s.multiplier[at] -= 0"),
    ),
    "the multiplier is lowered at the sweep of the return, too": (
        "eject-one-rr-1w-1",
        Fault(SWEEPING, "s.back_at[at] < s.sweeps[p]", "s.back_at[at] <= s.sweeps[p]"),
    ),
    "who comes back has the errors of before": (
        "eject-panic-rr-1w-1",
        Fault(EJECTING, "    s.ejected[at] = 0\n    s.errors[at] = 0\n", "    s.ejected[at] = 0\n"),
    ),
    "who cannot be ejected is asked about again at once": (
        "eject-two-of-ten-rr-1w-1",
        Fault(
            EJECTING,
            "WHY_ERRORS, s.enforcing_errors, now, u, 2)\n        s.errors[at] = 0",
            "WHY_ERRORS, s.enforcing_errors, now, u, 2)\n        s.errors[at] = 4",
        ),
    ),
    "timeouts are no errors": (
        "eject-timeouts-rr-1w-1",
        Fault("mesh.guards", "if outcome == OK:", "if outcome in (OK, TIMEOUT):"),
    ),
    "rates are judged with the factor 1": (
        "eject-success-rate-three-rr-1w-1",
        Fault(SWEEPING, "mean - s.rate_factor * math", "mean - 1.0 * math"),
    ),
    "failures are counted since the beginning": (
        "eject-failure-percentage-rr-1w-1",
        Fault(
            SWEEPING,
            "        s.total[at] = 0\n        s.good[at] = 0\n",
            "        s.total[at] += 0\n",
        ),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_another_rule_would_be_noticed(fault: str) -> None:
    run, wrong = FAULTS[fault]
    with planted(fault, {fault: wrong}):
        slips = slipped(run, play(run), EXACT, LOWERED_LATE + BACK_LATE)
    assert slips is None or slips > 2


@pytest.mark.parametrize(
    ("run", "fields"),
    [
        ("eject-one-rr-1w-1", {"consecutive_5xx": 4}),
        ("eject-one-rr-1w-1", {"consecutive_5xx": 6}),
        ("eject-one-rr-1w-1", {"base_ejection_time": 1.0}),
        ("eject-half-rr-1w-1", {"max_ejection_percent": 60}),
        ("eject-half-rr-1w-1", {"max_ejection_percent": 40}),
        ("eject-nine-rr-1w-1", {"gate": "before"}),
        ("eject-nine-rr-1w-1", {"always_eject_one_host": True}),
        ("eject-success-rate-rr-1w-1", {"success_rate_request_volume": 100}),
        ("eject-failure-percentage-rr-1w-1", {"failure_percentage_threshold": 80}),
        ("eject-failure-percentage-rr-1w-1", {"failure_percentage_threshold": 95}),
    ],
)
def test_other_settings_would_be_noticed(run: str, fields: dict[str, object]) -> None:
    played = play(run, ejection=ml.OutlierDetection(**(settings(run) | fields)))
    assert slipped(run, played, EXACT, LOWERED_LATE) is None


def settings(run: str) -> dict[str, object]:
    """The fields of the ejection that the run was recorded with."""
    part = guards_of(recorded.cluster(run), 1.0)["ejection"]
    return {name: getattr(part, name) for name in part.__dataclass_fields__}


# --- Drawn picks ----------------------------------------------------------------------------------


def _failed(played: Played) -> int:
    return played.status.count(503)


def _attempts(played: Played) -> int:
    return sum(map(len, played.tries.values()))


def _out(played: Played) -> int:
    return sum(out for *_, out in played.marks)


@pytest.mark.parametrize(
    ("scenario", "measure", "column"),
    [("eject-half", _failed, "503"), ("eject-timeouts", _attempts, "attempts")],
)
def test_totals_are_predicted_where_least_request_draws(
    scenario: str, measure: object, column: str
) -> None:
    """12 runs of the model (seeds 1 to 12) predict each of Envoy's, at 99.9 %."""
    runs = [run for run in runs_of(scenario) if "-lr-" in run]
    low, high = predicted(measure, runs, "lr")  # type: ignore[arg-type]
    found = [int(recorded.runs()[run][column]) for run in runs]
    assert all(low <= total <= high for total in found), (low, found, high)
    low, high = predicted(_out, runs, "lr")
    assert all(low <= sum(out for *_, out in marks(run)) <= high for run in runs)


def test_another_balancer_would_be_noticed_in_the_totals() -> None:
    """A host that fails does so in 1 ms, so that least request asks it more often than in turn."""
    runs = [run for run in runs_of("eject-half") if "-lr-" in run]
    _, high = predicted(_failed, runs, "lr", balancer=ml.Random())
    assert all(int(recorded.runs()[run]["503"]) > high for run in runs)
