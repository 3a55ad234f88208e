"""Every resilience scenario that is recorded: timeouts, budgets, ejections, breakers.

Times are scaled down so that a run takes seconds: an ejection lasts 2 s where Envoy's default is
30 s.  What is not set is Envoy's default.  Rates stay far below what the machine can do, so that
nothing but the plan makes a request slow.
"""

from __future__ import annotations

from .resilience_answers import Scenario
from .resilience_breakers import BREAKERS
from .resilience_ejections import EJECTIONS
from .resilience_retries import RETRIES

__all__ = ["SCENARIOS"]

SCENARIOS: tuple[Scenario, ...] = (*RETRIES, *EJECTIONS, *BREAKERS)
