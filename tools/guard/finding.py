"""What the guard reports: where, which rule, what was found and what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..course_files import Notebook

__all__ = ["Finding", "Rule"]


@dataclass(frozen=True)
class Finding:
    """One thing that breaks a rule.

    Parameters
    ----------
    rule : str
        The rule's short name.
    text : str
        What was found, and what to do.
    cell : int or None
        The cell, counted from 0; None for the notebook as a whole.
    """

    rule: str
    text: str
    cell: int | None = None

    def shown(self, notebook: Notebook) -> str:
        """Return the line a person reads; cells count from 1 there, as on the page."""
        where = notebook.path.name
        if self.cell is not None:
            where += f", cell {self.cell + 1}"
            source = notebook.content.cells[self.cell].source.strip()
            if source:
                where += f" ({source.splitlines()[0][:40]!r})"
        return f"{where}: [{self.rule}] {self.text}"


Rule = Callable[[Notebook], Iterator[Finding]]
