"""Rules on outputs: there are some, nbval can compare them, and they are the same everywhere.

nbval passes silently when a notebook has no outputs, when a cell that should fail does not, when
cells are skipped or ignored, and for every picture.  These rules close those gaps.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ..course_files import Notebook, digests, tags
from .finding import Finding, Rule
from .shape import parsed

__all__ = ["RULES"]

MOST_IGNORED = 2
SHORTEST_ALT = 20
PICTURES = ("image/png", "image/jpeg", "image/svg+xml", "image/gif")
NOT_COMPARED = {"image/png", "image/jpeg", "application/vnd.jupyter.widget-view+json"}

_MARKERS = re.compile(r"#\s*(NBVAL_\w+|PYTEST_VALIDATE_IGNORE_OUTPUT)")
_MAGIC = re.compile(r"^\s*[%!?]|\?\s*$|=\s*[%!]\s*\w", re.MULTILINE)
_ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+|\b0x[0-9a-fA-F]{8,}")
_PLACES = re.compile(
    r"(?<![\w.:/])/(?:home|Users|root|work|tmp|var|usr|opt|mnt|private)/"
    r"|\b[A-Za-z]:\\|site-packages|ipykernel_\d|\.venv\b"
)
_HOMES = re.compile(r"(?<![\w.:/])/(?:home|Users|root|work)/|\b[A-Z]:\\Users")


def texts(output: Any) -> Iterator[str]:
    """Yield all text of an output."""
    if output.output_type == "stream":
        yield output.text
    elif output.output_type == "error":
        yield from (output.ename, output.evalue, *output.traceback)
    else:
        yield from (text for kind, text in output.data.items() if kind not in PICTURES)


def compared(cell: Any) -> bool:
    """Tell whether nbval compares anything of this cell."""
    if any(tag.startswith("nbval-") for tag in tags(cell)):
        return False
    return any(
        output.output_type in {"stream", "error"} or set(output.data) - NOT_COMPARED
        for output in cell.outputs
    )


def some_compared(notebook: Notebook) -> Iterator[Finding]:
    """At least one output is compared: without outputs nbval passes."""
    if not any(compared(cell) for cell in notebook.code):
        yield Finding("outputs", "no output that nbval could compare: run make notebooks")


def few_ignored(notebook: Notebook) -> Iterator[Finding]:
    """Few outputs are ignored, nothing is skipped, and only tags say so."""
    ignored = 0
    for index, cell in _code(notebook):
        for tag in tags(cell):
            if tag == "nbval-ignore-output":
                ignored += 1
            elif tag.startswith("nbval-"):
                yield Finding("skips", f"remove the tag {tag}: every cell is run", index)
        if _MARKERS.search(cell.source):
            yield Finding("skips", "remove the NBVAL comment; if it must be, use a tag", index)
    if ignored > MOST_IGNORED:
        yield Finding("ignored", f"{ignored} outputs are ignored, at most {MOST_IGNORED}")


def plain_python(notebook: Notebook) -> Iterator[Finding]:
    """Cells are plain Python: nbval passes when a cell starts with an unknown magic."""
    for index, cell in _code(notebook):
        if not cell.source.strip():
            yield Finding("python", "the cell is empty: remove it", index)
        elif not parsed(cell).body:
            what = "magic" if _MAGIC.search(cell.source) else "not Python"
            yield Finding("python", f"{what}: write plain Python", index)
        if cell.source.rstrip().endswith(";"):
            yield Finding("python", "remove the ; at the end: print or show what matters", index)


def clean_streams(notebook: Notebook) -> Iterator[Finding]:
    """Nothing is written to stderr: warnings and progress bars differ between machines."""
    for index, cell in _code(notebook):
        for output in cell.outputs:
            if output.output_type == "stream" and output.name != "stdout":
                text = f"writes to {output.name}: {output.text.strip()[:60]!r}; mend the cause"
                yield Finding("stderr", text, index)


def same_everywhere(notebook: Notebook) -> Iterator[Finding]:
    """No memory address and no path of a machine is in an output, and no home in a source."""
    for index, cell in enumerate(notebook.content.cells):
        for text in (t for output in cell.get("outputs", []) for t in texts(output)):
            if found := _ADDRESS.search(text):
                yield Finding("address", f"prints the address {found[0]!r}: print a value", index)
            if found := _PLACES.search(text):
                yield Finding("path", f"prints a path of this machine ({found[0]!r})", index)
        if found := _HOMES.search(cell.source):
            yield Finding("path", f"names a path of one machine ({found[0]!r})", index)


def errors_where_expected(notebook: Notebook) -> Iterator[Finding]:
    """Errors are only in cells tagged raises-exception, and such a cell holds one."""
    for index, cell in _code(notebook):
        failed = any(output.output_type == "error" for output in cell.outputs)
        expected = "raises-exception" in tags(cell)
        if failed and not expected:
            text = "holds an error: mend it, or tag the cell raises-exception if it is meant"
            yield Finding("errors", text, index)
        if expected and not failed:
            yield Finding("errors", "is tagged raises-exception but holds no error", index)


def pictures_with_words(notebook: Notebook) -> Iterator[Finding]:
    """Every picture has an alternative text, and its cell prints the numbers that it shows."""
    for index, cell in enumerate(notebook.content.cells):
        if cell.cell_type == "markdown" and re.search(r"!\[\s*\]\(", cell.source):
            yield Finding("alt", "write what the picture shows between the [ ]", index)
        drawn = False
        for output in cell.get("outputs", []):
            if output.output_type not in {"display_data", "execute_result"}:
                continue
            for kind in set(PICTURES) & set(output.data):
                drawn = True
                alt = output.metadata.get(kind, {}).get("alt", "")
                if not isinstance(alt, str) or len(alt.strip()) < SHORTEST_ALT:
                    text = "a picture without alternative text: show(figure, 'what it shows')"
                    yield Finding("alt", text, index)
        printed = " ".join(o.text for o in cell.get("outputs", []) if o.output_type == "stream")
        if drawn and not re.search(r"\d", printed):
            text = "prints no number: pictures are not compared, so print what this one shows"
            yield Finding("numbers", text, index)


def as_written(notebook: Notebook) -> Iterator[Finding]:
    """Code cells and outputs are just as make notebooks left them."""
    recorded = notebook.content.metadata.get("mesh_lab", {})
    actual = digests(notebook.content)
    if recorded.get("code") != actual["code"]:
        text = "code cells changed since the outputs were made: run make notebooks"
        yield Finding("stale", text)
    if recorded.get("outputs") != actual["outputs"]:
        yield Finding("stale", "outputs are not as make notebooks wrote them: run it again")


def _code(notebook: Notebook) -> Iterator[tuple[int, Any]]:
    for index, cell in enumerate(notebook.content.cells):
        if cell.cell_type == "code":
            yield index, cell


RULES: tuple[Rule, ...] = (
    some_compared,
    few_ignored,
    plain_python,
    clean_streams,
    same_everywhere,
    errors_where_expected,
    pictures_with_words,
    as_written,
)
