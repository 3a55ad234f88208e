"""Random policies of calls, and what proxies guard a service with: all soon used up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import mesh_lab as ml
from mesh_lab.resilience import Backoff, EnvoyBackoff, GrpcBackoff
from mesh_lab.resilience.policy import Failure
from tests.scenarios import Maker

__all__ = ["POLICY", "Policies"]


class Policies(Maker):
    """Makes policies and guards."""

    hasty = False  # callers that do not wait for long

    def some(self, *choices: Any) -> Any:
        """Return one of them; functions are called."""
        chosen = self.rng.choice(choices)
        return chosen() if callable(chosen) else chosen

    # -- policies ------------------------------------------------------------------------------

    def policy(self, scale: float) -> ml.Policy:
        """Return a policy for a call that takes about `scale` seconds."""
        fields: dict[str, Any] = {}
        for make in POLICY:
            fields |= make(self, fields, scale)
        return ml.Policy(**fields)

    def times_of(self, fields: dict[str, Any], scale: float) -> dict[str, Any]:
        """Return how long a call, and a try, may take."""
        low, high = (0.2, 2.0) if self.hasty else (0.7, 6.0)
        one, other = sorted(self.moment(low * scale, high * scale) for _ in range(2))
        found: dict[str, Any] = self.some(
            {"timeout": other},
            {"per_try_timeout": one},
            {"timeout": other, "per_try_timeout": one},
            {"timeout": 3.0 * one, "per_try_timeout": one},
            {},
        )
        if found and self.chance(0.4):
            found["propagate"] = True
        return found

    def again(self, fields: dict[str, Any], scale: float) -> dict[str, Any]:
        """Return when another attempt is sent."""
        if self.chance(0.2):
            return {}
        on = ml.Retries(1).on
        if self.chance(0.35):
            failures = get_args(Failure)
            on = tuple(self.rng.sample(failures, self.rng.randint(1, len(failures))))
            on = (*on, self.rng.choice(("failed", "timeout")))
        if self.chance(0.35):
            delay = 0.0 if self.chance(0.1) else self.moment(0.1 * scale, scale)
            return {"hedge": ml.Hedge(delay=delay, times=self.some(1, 1, 2, 3), on=on)}
        times = self.some(1, 1, 2, 3, 5, 0)
        return {"retries": ml.Retries(times, on=on, backoff=self.backoff(scale))}

    def backoff(self, scale: float) -> Any:
        """Return a rule for pauses, or none."""
        base = self.moment(0.1 * scale, 0.7 * scale)
        cap = base * self.some(1.0, 2.0, 3.0, 8.0)
        jitters = ("none", "full", "equal", "decorrelated")
        return self.some(
            None,
            lambda: Backoff(base=base, growth="fixed", jitter=self.some(*jitters[:3])),
            lambda: Backoff(base=base, cap=cap, jitter=self.some(*jitters)),
            lambda: Backoff(base=base, cap=8.0 * base, jitter="decorrelated"),
            lambda: EnvoyBackoff(base=base, max=self.some(None, cap)),
            lambda: EnvoyBackoff(base=base, max=self.some(None, cap), rule="documentation"),
            lambda: GrpcBackoff(initial=base, multiplier=self.some(2.0, 1.0, 1.5), max=cap),
        )

    def guards(self, calling: bool, span: float) -> dict[str, Any]:
        """Return what the proxies of its callers guard it with."""
        fields: dict[str, Any] = {}
        if self.chance(0.3):
            fields["budget"] = self.budget()
        if self.chance(0.2):
            fields["limits"] = ml.Limits(
                max_requests=self.some(1, 2, 4, 1024), max_retries=self.some(0, 1, 3)
            )
        if self.chance(0.25):
            fields["breaker"] = self.breaker(span)
        if self.chance(0.25):
            fields["ejection"] = self.ejection(span)
        if self.chance(0.5) and ("breaker" in fields or "ejection" in fields):
            panic, fails = self.some(0.0, 0.0, 0.3, 1.0), self.chance(0.3)
            fields["eligible"] = ml.Eligible(panic=panic, fail_in_panic=fails)
        return fields

    def budget(self) -> Any:
        """Return a retry budget that is soon spent."""
        return self.some(
            lambda: ml.RetryLimit(max_retries=self.some(0, 1, 2)),
            lambda: ml.EnvoyRetryBudget(
                budget_percent=self.some(20.0, 50.0), min_retry_concurrency=self.some(0, 1, 2)
            ),
            lambda: ml.FinagleRetryBudget(
                ttl=self.some(1.0, 10.0),
                min_retries_per_second=self.some(0, 1),
                percent_can_retry=self.some(0.2, 0.5, 0.0),
            ),
            lambda: ml.GrpcRetryThrottle(
                max_tokens=self.some(2.0, 4.0, 10.0), token_ratio=self.some(0.1, 1.0)
            ),
        )

    def breaker(self, span: float) -> Any:
        """Return a breaker that opens soon."""
        pause = self.moment(0.3 * span, 3.0 * span)
        per = self.some("endpoint", "service")
        if self.chance(0.5):
            return ml.ConsecutiveBreaker(
                max_failures=self.some(1, 2, 3),
                min_penalty=pause,
                max_penalty=self.some(1.0, 4.0) * pause,
                jitter=self.some(0.0, 0.5),
                per=per,
            )
        return ml.FailureRateBreaker(
            failure_rate_threshold=self.some(25.0, 50.0, 100.0),
            sliding_window_size=self.some(2, 5),
            minimum_number_of_calls=self.some(1, 3),
            wait_in_open=pause,
            permitted_in_half_open=self.some(1, 2),
            automatic=self.chance(0.5),
            per=per,
        )

    def ejection(self, span: float) -> Any:
        """Return an outlier detection that ejects soon, and for a short time."""
        base = self.moment(0.5 * span, 3.0 * span)
        grpc = self.chance(0.2)
        return ml.OutlierDetection(
            consecutive_5xx=0 if grpc else self.some(1, 2, 3),
            consecutive_gateway_failure=0 if grpc else self.some(0, 1, 2),
            enforcing_consecutive_5xx=self.some(100, 50),
            enforcing_consecutive_gateway_failure=self.some(100, 0),
            interval=self.moment(0.5 * span, 3.0 * span),
            base_ejection_time=base,
            max_ejection_time=self.some(None, 2.0 * base),
            max_ejection_time_jitter=self.some(0.0, 0.0, 1.0),
            max_ejection_percent=self.some(10, 50, 100),
            gate=self.some("after", "before"),
            always_eject_one_host=self.chance(0.5),
            success_rate_minimum_hosts=self.some(1, 2),
            success_rate_request_volume=self.some(1, 3),
            success_rate_stdev_factor=self.some(0, 500, 1900),
            failure_percentage_threshold=self.some(20, 50, 85),
            failure_percentage_minimum_hosts=self.some(1, 2),
            failure_percentage_request_volume=self.some(1, 3),
            enforcing_failure_percentage=self.some(0, 100),
            rule="grpc" if grpc else "envoy",
        )


POLICY: tuple[Callable[[Policies, dict[str, Any], float], dict[str, Any]], ...] = (
    Policies.times_of,
    Policies.again,
)
