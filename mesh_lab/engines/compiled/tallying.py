"""A compiled run that keeps no rows: requests are counted when they have ended, many at a time.

It gives the same `TallyRun` as the reference: counts and percentiles to the last digit, means and
utilisation up to the rounding of sums that were added up in another order.  Where one pass over the
arrivals is enough, requests come in order of arrival, not of their ends, and where responses take
time, in order of their return: that moves the batches behind a mean's interval a little.
"""

from __future__ import annotations

from collections.abc import Callable

from ...ledger import IN_FLIGHT
from ...scenario import Scenario
from ...tally import Counts, TallyRun
from .driver import Ended, Result, run

__all__ = ["tallied"]


class _Tally:
    """Counts what has ended."""

    def __init__(self, scenario: Scenario, warmup: float) -> None:
        self.sources = [Counts() for _ in scenario.sources]
        self.station = Counts()
        self.warmup = warmup

    def add(self, ended: Ended) -> None:
        """Count requests that have ended."""
        counts = ended.made >= self.warmup
        took = ended.end - ended.made
        wait = ended.start - ended.made
        for index, part in enumerate(self.sources):
            mine = counts & (ended.source == index)
            part.add(wait[mine], took[mine], ended.outcome[mine])
        self.station.add(wait[counts], (ended.finish - ended.made)[counts], ended.outcome[counts])

    def settle(self, result: Result) -> None:
        """Count what is in flight at the end."""
        c = result.columns
        there = c.made >= self.warmup
        for index, part in enumerate(self.sources):
            mine = there & (c.source == index)
            part.fly(c.start[mine] - c.made[mine])
        visiting = there & (c.outcome == IN_FLIGHT)
        self.station.fly(c.start[visiting] - c.made[visiting])
        left = there & (c.outcome != IN_FLIGHT)  # only the response is still on its way
        made = c.made[left]
        self.station.add(c.start[left] - made, c.finish[left] - made, c.outcome[left])


def tallied(
    scenario: Scenario,
    seed: int,
    requests: int | None,
    until: float | None,
    warmup: float,
    arrived: Callable[[int], None] | None,
) -> TallyRun:
    """Run the scenario and return its summary; arguments as for `mesh_lab.simulate`."""
    tally = _Tally(scenario, warmup)
    result = run(
        scenario,
        seed,
        requests=requests,
        until=until,
        ended=tally.add,
        warmup=warmup,
        arrived=arrived,
    )
    tally.settle(result)
    tally.station.busy = result.busy
    duration = float(until) if until is not None else result.now
    return TallyRun(
        scenario,
        seed,
        tally.sources,
        [tally.station],
        duration=duration,
        last_arrival=result.last_arrival,
        warmup=warmup,
        requests=result.requests,
        in_flight=result.in_flight,
    )
