"""Discovery without any delay: every proxy knows what the registry says, when it says it.

This is what balancers without discovery see (`mesh_lab.stations.endpoints`), and the yardstick
for all other ways: its views differ from the truth only as far as the registry itself errs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...draws import Draws
from ...parts import part
from .base import Discovery, State, Truth, View, ViewChange, published
from .loop import Model

__all__ = ["AtOnce"]


@part
class AtOnce(Discovery):
    """Everybody is told at once.

    Parameters
    ----------
    unready : bool
        Whether endpoints that are not ready are listed as unhealthy, or left out.

    Examples
    --------
    >>> from mesh_lab.draws import Draws
    >>> truth = [Truth(0.0, 0, State.READY), Truth(2.0, 1, State.READY), Truth(5.0, 0, State.DOWN)]
    >>> for change in AtOnce().views(truth, 1, Draws(seed=1), "orders"):
    ...     print(change.time, change.endpoints)
    0.0 ((0, True),)
    2.0 ((0, True), (1, True))
    5.0 ((1, True),)
    """

    unready: bool = False

    def views(
        self, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> Iterator[ViewChange]:
        """Yield what each proxy believes; see `Discovery.views`."""
        return _Model(self, published(truth), proxies, draws, name).run()


class _Model(Model):
    def __init__(
        self, part: AtOnce, truth: Iterable[Truth], proxies: int, draws: Draws, name: str
    ) -> None:
        super().__init__(truth, proxies, draws, name)
        self.part = part

    def begin(self) -> None:
        """Nothing has to be planned."""

    def changed(self, change: Truth, before: State) -> None:
        """Tell everybody."""
        for proxy in range(self.proxies):
            self.touch(proxy)

    def view(self, proxy: int) -> View:
        """Return what the registry says."""
        return self.known.view(self.part.unready)
