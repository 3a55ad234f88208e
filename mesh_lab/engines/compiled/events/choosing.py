"""Which loop runs the events of a scenario."""

from __future__ import annotations

from typing import Any

from ....columns import Columns
from ....messaging.base import Channel, Subscriber
from ....messaging.deliveries import DeliveryColumns
from ....messaging.log.log import Log
from ....messaging.queue import MessageQueue
from ....scenario import Scenario
from . import log_driver, queue_driver

__all__ = ["reasons", "run_events"]


def reasons(scenario: Scenario) -> list[str]:
    """Return why the channels and subscribers of a scenario cannot be compiled; or nothing."""
    driver = _driver(scenario)
    if driver is not None:
        found: list[str] = driver.reasons(scenario)
        return found
    parts: list[Channel | Subscriber] = []
    parts += scenario.channels
    parts += scenario.subscribers
    return [f"{p.name!r}: a {type(p).__name__}, which takes or keeps events" for p in parts]


def run_events(
    scenario: Scenario, seed: int, *, requests: int | None, until: float | None
) -> tuple[Columns, DeliveryColumns]:
    """Run a scenario for which `reasons` finds nothing; return requests and deliveries.

    Raises
    ------
    NotForCompiled
        When something happens after all that the reference has to do.
    """
    made: tuple[Columns, DeliveryColumns]
    made = _driver(scenario).run(scenario, seed, requests=requests, until=until)
    return made


def _driver(scenario: Scenario) -> Any:
    if all(type(channel) is Log for channel in scenario.channels):
        return log_driver
    if all(type(channel) is MessageQueue for channel in scenario.channels):
        return queue_driver
    return None
