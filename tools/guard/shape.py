"""Rules on what a notebook is made of: format, budget, tags, counts, the import cell.

They follow the course's plan for a notebook: at most 60 cells and 500 KiB, small code cells, one
import cell, one ``SEED``, and every cell on the core path or marked as more.
"""

from __future__ import annotations

import ast
import io
import math
import re
import statistics
import tokenize
from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..course_files import Notebook, tags
from .finding import Finding, Rule

__all__ = ["RULES", "code_lines", "parsed"]

MOST_CELLS = 60
MOST_BYTES = 500 * 1024
MEDIAN_LINES = 4
P90_LINES = 12


def parsed(cell: Any) -> ast.Module:
    """Return a code cell's syntax tree, an empty one when it does not parse (a rule says so)."""
    try:
        tree: ast.Module = ast.parse(cell.source)
    except SyntaxError:
        return ast.Module([], [])
    return tree


def code_lines(cell: Any) -> int:
    """Return how many lines of a cell are code: not blank, not comment, not docstring."""
    words: set[int] = set()
    for node in ast.walk(parsed(cell)):
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            words.update(range(value.lineno, (value.end_lineno or value.lineno) + 1))
    code: set[int] = set()
    silent = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    try:
        for token in tokenize.generate_tokens(io.StringIO(cell.source).readline):
            if token.type not in silent | {tokenize.ENDMARKER}:
                code.update(range(token.start[0], token.end[0] + 1))
    except (tokenize.TokenError, IndentationError):
        return len([line for line in cell.source.splitlines() if line.strip()])
    return len(code - words)


def file_name(notebook: Notebook) -> Iterator[Finding]:
    """A notebook is called NN_what_it_is.ipynb."""
    if not re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", notebook.path.name):
        yield Finding("name", "call the file NN_what_it_is.ipynb, in small letters")


def cell_ids(notebook: Notebook) -> Iterator[Finding]:
    """Its cells have ids, each its own, which came with format 4.5."""
    ids = Counter(cell.get("id") for cell in notebook.content.cells)
    if notebook.content.nbformat_minor < 5 or None in ids:
        yield Finding("ids", "cells without ids: run make notebooks")
    for twice in [name for name, times in ids.items() if name and times > 1]:
        yield Finding("ids", f"several cells have the id {twice!r}: give each its own")


def kernel(notebook: Notebook) -> Iterator[Finding]:
    """It names the kernel python3, the only one that every reader has."""
    name = notebook.content.metadata.get("kernelspec", {}).get("name")
    if name != "python3":
        yield Finding("kernel", f"the kernel is {name!r}, must be 'python3': run make notebooks")


def size(notebook: Notebook) -> Iterator[Finding]:
    """It is small enough to open at once and to read in an hour."""
    bytes_ = notebook.path.stat().st_size
    if bytes_ > MOST_BYTES:
        yield Finding("size", f"{bytes_ // 1024} KiB, at most 500: fewer or smaller figures")
    if len(notebook.content.cells) > MOST_CELLS:
        yield Finding("size", f"{len(notebook.content.cells)} cells, at most {MOST_CELLS}")


def kinds(notebook: Notebook) -> Iterator[Finding]:
    """It holds text and code, and begins with its title."""
    cells = notebook.content.cells
    for index, cell in enumerate(cells):
        if cell.cell_type not in {"markdown", "code"}:
            yield Finding("kind", f"a {cell.cell_type} cell: make it text or code", index)
    if not cells or cells[0].cell_type != "markdown" or not cells[0].source.startswith("# "):
        yield Finding("title", "the first cell must be text that begins with '# ' and the title", 0)


def path_tags(notebook: Notebook) -> Iterator[Finding]:
    """Every cell is either on the core path or marked as more."""
    for index, cell in enumerate(notebook.content.cells):
        if len({"core", "more"} & set(tags(cell))) != 1:
            yield Finding("tags", "give the cell one of the tags core and more", index)


def counts(notebook: Notebook) -> Iterator[Finding]:
    """Its code cells were run once, in order, none left out."""
    found = [cell.execution_count for cell in notebook.code]
    if found != list(range(1, len(found) + 1)):
        shown = ", ".join("blank" if count is None else str(count) for count in found)
        text = f"execution counts are {shown}; must be 1 to {len(found)}: run make notebooks"
        yield Finding("counts", text)


def small_cells(notebook: Notebook) -> Iterator[Finding]:
    """Its code cells are small: half of them 4 lines or fewer, nine in ten 12 or fewer."""
    lines = sorted(code_lines(cell) for cell in notebook.code)
    if not lines:
        yield Finding("code", "there is no code cell: a notebook of this course runs something")
        return
    if statistics.median(lines) > MEDIAN_LINES:
        yield Finding("lines", f"median of {statistics.median(lines):g} code lines, at most 4")
    tail = lines[math.ceil(0.9 * len(lines)) - 1]
    if tail > P90_LINES:
        text = f"90th percentile of {tail} code lines, at most 12: split the long cells"
        yield Finding("lines", text)


def one_import_cell(notebook: Notebook) -> Iterator[Finding]:
    """Imports stand in the first code cell; functions may import for themselves."""
    first = True
    for index, cell in enumerate(notebook.content.cells):
        if cell.cell_type != "code":
            continue
        imports = [n for n in parsed(cell).body if isinstance(n, ast.Import | ast.ImportFrom)]
        if imports and not first:
            yield Finding("imports", "move the imports into the first code cell", index)
        first = False


def one_seed(notebook: Notebook) -> Iterator[Finding]:
    """SEED is set once, in the first or second code cell, so that it is easy to find."""
    where = [
        number
        for number, cell in enumerate(notebook.code)
        for node in parsed(cell).body
        if isinstance(node, ast.Assign)
        and any(isinstance(t, ast.Name) and t.id == "SEED" for t in node.targets)
    ]
    if len(where) != 1 or where[0] > 1:
        yield Finding("seed", "set SEED exactly once, in the first or second code cell")


RULES: tuple[Rule, ...] = (
    file_name,
    cell_ids,
    kernel,
    size,
    kinds,
    path_tags,
    counts,
    small_cells,
    one_import_cell,
    one_seed,
)
