"""Random service graphs whose proxies guard services, so tightly that all guards do something.

Scenario number n is number n of `tests.scenarios_graph`, where guards are rarer, with more retry
budgets, limits, breakers and ejection, each at some of its services, and failures where there would
be none.
"""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import mesh_lab as ml
from mesh_lab.resilience import (
    ConsecutiveBreaker,
    EnvoyRetryBudget,
    FailureRateBreaker,
    FinagleRetryBudget,
    GrpcRetryThrottle,
    Limits,
    OutlierDetection,
    RetryLimit,
)
from tests import scenarios_graph
from tests.scenarios import Case

__all__ = ["guarded", "make"]


class Guarding:
    """Makes the guards of one scenario."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(f"guards {seed}")
        self.lattice = seed % 2 == 0

    def some(self, *choices: Any) -> Any:
        """Return one of them; functions are called."""
        chosen = self.rng.choice(choices)
        return chosen() if callable(chosen) else chosen

    def seconds(self, low: float, high: float) -> float:
        """Return a time, on the lattice where there is one."""
        time = self.rng.uniform(low, high)
        return max(round(time * 4) / 4, 0.25) if self.lattice else time

    def budget(self) -> Any:
        """Return a rule for retries."""
        return self.some(
            lambda: RetryLimit(max_retries=self.some(0, 1, 2)),
            lambda: EnvoyRetryBudget(
                budget_percent=self.some(10.0, 20.0, 50.0), min_retry_concurrency=self.some(0, 1, 2)
            ),
            lambda: FinagleRetryBudget(
                ttl=self.some(1.0, 3.0),
                min_retries_per_second=self.some(0, 0, 1),
                percent_can_retry=self.some(0.1, 0.5, 1.0, 0.0),
            ),
            lambda: GrpcRetryThrottle(
                max_tokens=self.some(1.0, 3.0, 6.0), token_ratio=self.some(0.1, 0.5, 1.0)
            ),
        )

    def limits(self) -> Limits:
        """Return limits that are met."""
        return Limits(max_requests=self.some(1, 2, 4, 100), max_retries=self.some(0, 1, 1, 2))

    def breaker(self) -> Any:
        """Return a breaker that opens soon."""
        per = self.some("endpoint", "service")
        low = self.seconds(0.3, 3.0)
        rate = FailureRateBreaker(
            failure_rate_threshold=self.some(20.0, 50.0, 100.0),
            sliding_window_size=self.some(1, 4, 8),
            minimum_number_of_calls=self.some(1, 3, 100),
            wait_in_open=low,
            permitted_in_half_open=self.some(1, 2, 5),
            automatic=self.some(False, True),
            per=per,
        )
        return self.some(
            rate,
            ConsecutiveBreaker(
                max_failures=self.some(1, 2, 3),
                min_penalty=low,
                max_penalty=low * self.some(1.0, 4.0),
                jitter=self.some(0.0, 0.5, 2.0),
                per=per,
            ),
        )

    def ejection(self) -> OutlierDetection:
        """Return outlier detection that ejects soon."""
        base = self.seconds(0.5, 5.0)
        fields: dict[str, Any] = {
            "interval": self.seconds(0.5, 4.0),
            "base_ejection_time": base,
            "max_ejection_time": self.some(None, base, 3.0 * base),
            "max_ejection_time_jitter": self.some(0.0, 0.0, 0.5),
            "max_ejection_percent": self.some(10, 34, 50, 100),
            "always_eject_one_host": self.some(False, True),
            "success_rate_minimum_hosts": self.some(1, 2, 5),
            "success_rate_request_volume": self.some(1, 3, 100),
            "success_rate_stdev_factor": self.some(300, 1000, 1900),
            "enforcing_success_rate": self.some(0, 100, 60),
            "failure_percentage_threshold": self.some(30, 85),
            "failure_percentage_minimum_hosts": self.some(1, 2, 5),
            "failure_percentage_request_volume": self.some(1, 3),
            "enforcing_failure_percentage": self.some(0, 0, 100, 70),
            "gate": self.some("after", "before"),
        }
        if self.rng.random() < 0.2:
            return OutlierDetection(
                consecutive_5xx=0, consecutive_gateway_failure=0, rule="grpc", **fields
            )
        return OutlierDetection(
            consecutive_5xx=self.some(1, 2, 3),
            consecutive_gateway_failure=self.some(1, 2),
            enforcing_consecutive_5xx=self.some(100, 100, 50),
            enforcing_consecutive_gateway_failure=self.some(0, 100, 50),
            **fields,
        )

    def guard(self, part: ml.Service) -> ml.Service:
        """Return a service with guards."""
        fields: dict[str, Any] = {}
        for name in ("budget", "limits", "breaker", "ejection"):
            if self.rng.random() < 0.4:
                fields[name] = getattr(self, name)()
        if not fields:
            return part
        if part.failure < 0.2 and self.rng.random() < 0.7:
            fields["failure"] = self.some(0.3, 0.6, 0.9)
        if part.policy is None or (part.policy.timeout is None and part.policy.hedge is None):
            again = self.some(None, ml.Retries(2), ml.Retries(3))
            time = self.seconds(0.5, 6.0)
            fields["policy"] = ml.Policy(timeout=4.0 * time, per_try_timeout=time, retries=again)
        fields["eligible"] = ml.Eligible(
            panic=self.some(0.5, 0.0, 0.0, 1.0), fail_in_panic=self.some(False, False, True)
        )
        return dataclasses.replace(part, **fields)


def guarded(case: Case) -> Case:
    """Return a case with guards."""
    maker = Guarding(case.seed)
    parts = tuple(
        maker.guard(part) if isinstance(part, ml.Service) else part for part in case.parts
    )
    return dataclasses.replace(case, parts=parts)


def make(seed: int) -> Case:
    """Return scenario number `seed`."""
    return guarded(scenarios_graph.make(seed))
