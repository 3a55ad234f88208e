"""What a source gives each of its requests before it sends it: class, deadline, carried work."""

from __future__ import annotations

from collections.abc import Callable

from ..distributions import Distribution
from ..draws import Drawable
from ..ledger import Ledger, Request
from ..sources.base import Dress, OpenSource, Source, pick_by
from .keys import KeyNumbers
from .needs import Need

__all__ = ["dressing"]


Drawn = Callable[[Drawable | str, str, str], Need]


def dressing(part: Source, drawn: Drawn, ledger: Ledger) -> Dress | None:
    """Return the function that dresses a source's requests; None when nothing is to be done.

    Parameters
    ----------
    part : Source
        What was declared.
    drawn : callable
        From what is drawn, the part's name and the purpose to the function from a request to its
        draw.
    ledger : Ledger
        Notes the keys.
    """
    made = (
        _class(part, drawn),
        _due(part, drawn),
        _laden(part),
        _keyed(part, drawn, ledger),
        _named(part, drawn),
    )
    steps = [step for step in made if step]
    if len(steps) < 2:
        return steps[0] if steps else None

    def dress(request: Request) -> None:
        for step in steps:
            step(request)

    return dress


def _class(part: Source, drawn: Drawn) -> Dress | None:
    priority = part.priority
    if isinstance(priority, dict):
        choose = pick_by(list(priority), list(priority.values()))
        uniform = drawn("uniform", part.name, "priority")

        def classed(request: Request) -> None:
            request.priority = choose(uniform(request)) or 0

        return classed
    if not priority:
        return None  # every request begins with class 0

    def urgent(request: Request) -> None:
        request.priority = priority

    return urgent


def _due(part: Source, drawn: Drawn) -> Dress | None:
    deadline = part.deadline
    if isinstance(deadline, Distribution):
        seconds = drawn(deadline, part.name, "deadline")

        def due(request: Request) -> None:
            request.deadline = request.arrival + seconds(request)

        return due
    if deadline is None:
        return None

    def due_after(request: Request) -> None:
        request.deadline = request.arrival + deadline

    return due_after


def _laden(part: Source) -> Dress | None:
    carried = part.carried() if isinstance(part, OpenSource) else None
    if carried is None:
        return None

    def laden(request: Request) -> None:
        request.carried = carried[request.number]

    return laden


def _keyed(part: Source, drawn: Drawn, ledger: Ledger) -> Dress | None:
    if part.key is None:
        return None
    number = drawn(KeyNumbers(part.key), part.name, "key")

    def keyed(request: Request) -> None:
        ledger.keyed(request, int(number(request)))

    return keyed


def _named(part: Source, drawn: Drawn) -> Dress | None:
    subject = part.subject
    if isinstance(subject, dict):
        choose = pick_by(list(subject), list(subject.values()))
        uniform = drawn("uniform", part.name, "subject")

        def named(request: Request) -> None:
            request.subject = choose(uniform(request))

        return named
    if subject is None:
        return None

    def always(request: Request) -> None:
        request.subject = subject

    return always
