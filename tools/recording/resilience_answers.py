"""What a recording of resilience is made of: who asks when, and what each attempt is answered.

A scenario plans every answer beforehand, either by request and attempt (a *case*: the answers to
its first, second, ... attempt, the last one also to all later ones) or by back end and time
(*faults*).  So what is left to the proxy is what is being recorded: when it gives up, whether it
asks again, and whom.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Answer", "Fault", "Plan", "Scenario", "Slot"]

Slot = tuple[float, str]  # when a request is sent (s from the start), and its case ("": none)


@dataclass(frozen=True)
class Answer:
    """One answer of a back end: `status`, `delay` seconds after the request arrived."""

    delay: float
    status: int = 200


@dataclass(frozen=True)
class Fault:
    """Back end `back_end` answers otherwise to what arrives there in [since, until).

    Of every `out_of` requests that arrive there in that time, the first `failing` get `answer`.
    """

    back_end: int
    since: float
    until: float
    answer: Answer
    failing: int = 1
    out_of: int = 1


@dataclass(frozen=True)
class Scenario:
    """One Envoy configuration, one schedule of requests, one plan of answers.

    Parameters
    ----------
    route, cluster : dict
        Fields of Envoy's route action and cluster, in Envoy's words.
    schedule : tuple of Slot
        In time order.
    cases : dict
        Answers by case; a request whose case is "" is answered `usual`, or as `faults` say.
    balancers : tuple of str
        Envoy's ``lb_policy``; the scenario is recorded with each.
    connections : int
        How many connections the caller keeps open to Envoy: more than it ever has requests.
    sampled : tuple of float
        When Envoy's gauges are read (s from the start).
    direct : bool
        Without Envoy: the caller asks the first back end itself.
    precise : bool
        Whether Envoy's timers are precise; otherwise they are as coarse as the kernel's tick.
    repetitions : tuple of int
        How often it is recorded with one worker and with two.
    """

    name: str
    about: str
    schedule: tuple[Slot, ...]
    route: dict[str, Any] = field(default_factory=dict)
    cluster: dict[str, Any] = field(default_factory=dict)
    cases: dict[str, tuple[Answer, ...]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    usual: Answer = Answer(0.0)
    back_ends: int = 3
    balancers: tuple[str, ...] = ("ROUND_ROBIN",)
    connections: int = 64
    sampled: tuple[float, ...] = ()
    http2: bool = False
    direct: bool = False
    precise: bool = True
    repetitions: tuple[int, int] = (3, 3)


class Plan:
    """Says the answer to each attempt as it arrives, and counts arrivals for the faults."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.arrived = [0] * len(scenario.faults)

    def answer(self, request: int, attempt: int, back_end: int, now: float) -> Answer:
        """Return the answer to `attempt` (1, 2, ...) of `request` at `back_end`, `now` seconds in.

        Examples
        --------
        >>> half = Fault(0, 0.0, 9.0, Answer(0.0, 503), failing=1, out_of=2)
        >>> plan = Plan(Scenario("x", "", ((0.0, ""), (0.1, "")), faults=(half,)))
        >>> [plan.answer(i, 1, 0, 0.1 * i).status for i in range(2)]
        [503, 200]
        """
        case = self.scenario.schedule[request][1]
        if case:
            answers = self.scenario.cases[case]
            return answers[min(attempt, len(answers)) - 1]
        for i, fault in enumerate(self.scenario.faults):
            if fault.back_end == back_end and fault.since <= now < fault.until:
                count = self.arrived[i]
                self.arrived[i] += 1
                return fault.answer if count % fault.out_of < fault.failing else self.scenario.usual
        return self.scenario.usual
