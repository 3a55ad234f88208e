"""What guards a call: its policy, and what a proxy does: ejection, breakers, limits, budgets.

Each rule is a declared part, whose `state` makes lists or arrays, and kernels that change them and
run in both engines.  Time comes in as `now`; nothing here waits.  The kernels are not named here,
because they share their names: import them from the module of their rule.

=====================  ====================================  =====================================
rule                   parts                                 kernels
=====================  ====================================  =====================================
outlier detection      `OutlierDetection`                    ``ejecting``, ``sweeping``
circuit breakers       `ConsecutiveBreaker`,                 ``circuit``
                       `FailureRateBreaker`
limits                 `Limits`                              ``limits``
retry budgets          `RetryLimit`, `EnvoyRetryBudget`,     ``budget``
                       `FinagleRetryBudget`,
                       `GrpcRetryThrottle`
pauses before retries  `Backoff`, `EnvoyBackoff`,            ``backoff``
                       `GrpcBackoff`
policy of a call       `Policy`, `Retries`, `Hedge`          none: the engines follow it
=====================  ====================================  =====================================
"""

from .backoff import BackoffNumbers, EnvoyBackoff, GrpcBackoff, backoff_numbers
from .breaker import Breaker, ConsecutiveBreaker, FailureRateBreaker
from .budgets import (
    EnvoyRetryBudget,
    FinagleRetryBudget,
    GrpcRetryThrottle,
    RetryBudget,
    RetryLimit,
)
from .ejection import OutlierDetection
from .limits import Limits
from .pauses import Backoff
from .policy import FAILURES, Hedge, Policy, Retries
from .seen import SEEN_ERROR, SEEN_GATEWAY, SEEN_LOCAL, SEEN_OK

__all__ = [
    "FAILURES",
    "SEEN_ERROR",
    "SEEN_GATEWAY",
    "SEEN_LOCAL",
    "SEEN_OK",
    "Backoff",
    "BackoffNumbers",
    "Breaker",
    "ConsecutiveBreaker",
    "EnvoyBackoff",
    "EnvoyRetryBudget",
    "FailureRateBreaker",
    "FinagleRetryBudget",
    "GrpcBackoff",
    "GrpcRetryThrottle",
    "Hedge",
    "Limits",
    "OutlierDetection",
    "Policy",
    "Retries",
    "RetryBudget",
    "RetryLimit",
    "backoff_numbers",
]
