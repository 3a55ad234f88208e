"""Rules on what a reader does: exercises have checks and solutions, predictions are blank.

An exercise cell holds one definition with a blank; the next code cell checks it; the solution and
the check are in ``solutions/nbNN.py`` beside the notebooks.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from mesh_lab.course.lessons import Lesson, load
from mesh_lab.errors import ExerciseError

from ..course_files import Notebook, tags
from .finding import Finding, Rule
from .shape import parsed

__all__ = ["RULES", "defined"]


def defined(cell: Any) -> str | None:
    """Return the one name that an exercise cell defines, None when it is not just one."""
    body = parsed(cell).body
    if len(body) != 1:
        return None
    node = body[0]
    if isinstance(node, ast.FunctionDef):
        return node.name
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        return target.id if isinstance(target, ast.Name) else None
    return None


def exercises(notebook: Notebook) -> Iterator[Finding]:
    """Every exercise is blank, is checked by the next code cell, and has a solution."""
    try:
        lesson = load(notebook.path.parent / "solutions" / f"nb{notebook.number}.py")
    except (ExerciseError, FileNotFoundError) as error:
        yield Finding("exercises", f"solutions/nb{notebook.number}.py: {error}")
        return
    asked = set()
    cells = notebook.content.cells
    code = [index for index, cell in enumerate(cells) if cell.cell_type == "code"]
    followers = dict(zip(code, [*code[1:], None], strict=True))
    for index in code:
        if "exercise" in tags(cells[index]):
            name = defined(cells[index])
            if name is not None:
                asked.add(f"{notebook.number}.{name}")
            yield from _exercise(notebook, lesson, index, followers[index])
        # an exercise's check begins with its name; `scenario.check()` is something else
        elif any(map(_first, _calls(cells[index], "check"))) and "check" not in tags(cells[index]):
            text = "checks something without the tag check; the exercise is tagged exercise"
            yield Finding("exercises", text, index)
    for name in sorted(set(lesson.exercises) - asked):
        text = f"solutions/nb{notebook.number}.py checks {name}, which no exercise cell asks for"
        yield Finding("exercises", text)
    if not asked:
        yield Finding("exercises", "no cell is tagged exercise: give the reader something to do")


def _exercise(
    notebook: Notebook, lesson: Lesson, index: int, follower: int | None
) -> Iterator[Finding]:
    cell = notebook.content.cells[index]
    name = defined(cell)
    if name is None:
        text = "an exercise cell holds one function, or one NAME = ..., and nothing else"
        yield Finding("exercises", text, index)
        return
    if not any(isinstance(n, ast.Constant) and n.value is ... for n in ast.walk(parsed(cell))):
        yield Finding("exercises", "has no blank (...): the answer must not be given away", index)
    full = f"{notebook.number}.{name}"
    if full not in lesson.exercises:
        text = f"has no check: declare @exercise({full!r}, ...) in {lesson.path.name}"
        yield Finding("exercises", text, index)
        return
    function = parsed(cell).body[0]
    if isinstance(function, ast.FunctionDef):
        mine = [a.arg for a in (*function.args.posonlyargs, *function.args.args)]
        solution = lesson.solution(full)
        theirs = list(inspect.signature(solution).parameters) if callable(solution) else None
        if mine + [a.arg for a in function.args.kwonlyargs] != theirs:
            yield Finding("exercises", f"the solution takes other arguments: {theirs}", index)
    checking = None if follower is None else notebook.content.cells[follower]
    wanted = ast.dump(ast.parse(f'check("{full}", {name})'))
    if (
        checking is None
        or "check" not in tags(checking)
        or ast.dump(ast.parse(checking.source)) != wanted
    ):
        text = f'the next code cell must be check("{full}", {name}), tagged check'
        yield Finding("exercises", text, index)
    elif "not attempted yet" not in "".join(o.get("text", "") for o in checking.outputs):
        yield Finding("exercises", "the check does not say 'not attempted yet'", follower)


def predictions(notebook: Notebook) -> Iterator[Finding]:
    """Predictions are blank, belong to this notebook, and each is revealed; `score` ends them."""
    asked: dict[str, set[str]] = {}
    revealed: dict[str, set[str]] = {}
    scores = 0
    for index, cell in enumerate(notebook.content.cells):
        if cell.cell_type != "code":
            continue
        for call in _calls(cell, "predict"):
            name, keys = _first(call), {k.arg or "**" for k in call.keywords}
            if not name.startswith(f"{notebook.number}."):
                text = f"predict({name!r}): the name must begin with '{notebook.number}.'"
                yield Finding("predictions", text, index)
            if name in asked:
                yield Finding("predictions", f"{name} is predicted twice", index)
            asked[name] = keys
            if not all(
                isinstance(k.value, ast.Constant) and k.value.value is ... for k in call.keywords
            ):
                yield Finding("predictions", f"{name} is not blank: put ... there", index)
        for call in _calls(cell, "reveal"):
            revealed.setdefault(_first(call), set()).update(k.arg or "**" for k in call.keywords)
        scores += sum(_first(call) == notebook.number for call in _calls(cell, "score"))
    for name, keys in asked.items():
        if missing := keys - revealed.get(name, set()):
            text = f"{name}: reveal what it was ({', '.join(sorted(missing))})"
            yield Finding("predictions", text)
    for name in sorted(set(revealed) - set(asked)):
        yield Finding("predictions", f"{name} is revealed, but never predicted")
    if asked and scores != 1:
        yield Finding("predictions", f'call score("{notebook.number}") once, near the end')


def _calls(cell: Any, function: str) -> Iterator[ast.Call]:
    """Yield the calls of `function` in a cell, however it is reached (``ml.course.predict``)."""
    for node in ast.walk(parsed(cell)):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if name == function:
                yield node


def _first(call: ast.Call) -> str:
    """Return a call's first argument when it is text, else nothing."""
    first = call.args[0] if call.args else None
    return str(first.value) if isinstance(first, ast.Constant) else ""


RULES: tuple[Rule, ...] = (exercises, predictions)
