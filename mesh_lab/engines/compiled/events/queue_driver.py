"""Running one message queue with its consumers in the compiled loop: arrays in, columns out.

What the sources publish is known beforehand (`arriving`), so Python makes the draws, in windows,
and otherwise only the tables when the run is over.
"""

from __future__ import annotations

from ....columns import Columns
from ....draws import Draws
from ....messaging.deliveries import DeliveryColumns
from ....scenario import Scenario
from ..compiling import compiled
from ..driver import NotForCompiled
from . import queue_world as world
from .arriving import arrivals
from .queue_draws import Feed
from .queue_reasons import reasons
from .queue_start import longer, start
from .queue_tables import delivered, named_keys, requested

__all__ = ["reasons", "run"]


def run(
    scenario: Scenario,
    seed: int,
    *,
    requests: int | None,
    until: float | None,
) -> tuple[Columns, DeliveryColumns]:
    """Run a scenario for which `reasons` finds nothing.

    Parameters
    ----------
    requests, until
        As for `mesh_lab.simulate`.

    Raises
    ------
    NotForCompiled
        When the run comes to nothing but what the reference reports as an error.
    """
    draws = Draws(seed)
    made = arrivals(scenario, draws, requests=requests, until=until)
    keys, texts = named_keys(scenario, made)
    w = start(scenario, draws, made, keys, until)
    feed = Feed(scenario, draws, made, w)
    loop = compiled().run_queue
    while True:
        code = loop(w)
        if code == world.NEEDS_DRAWS:
            feed.give(w)
        elif code == world.NEEDS_ROWS:
            w = longer(w)
        elif code == world.TOO_OFTEN:
            raise NotForCompiled("an event is delivered again and again")
        else:
            return requested(scenario, made, w), delivered(scenario, made, keys, texts, w)
