"""Where solutions and checks are, and how a solution is cut out of its file to be shown.

``notebooks/solutions/nb02.py`` is a plain Python file: the solutions of notebook 02 and, beside
them, the checks.  What is shown of it is the solution with everything of that file that it
uses: imports, constants, helpers.  So what is shown runs when it is pasted into the
exercise's cell, and that is what the solved course does with it.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ..data import find_in_repository
from ..errors import ExerciseError
from .exercises import Exercise

__all__ = ["Lesson", "find", "lesson", "load", "solution_files"]


@dataclass(frozen=True)
class Lesson:
    """The solutions and checks of one notebook."""

    number: str
    path: Path
    module: ModuleType
    exercises: dict[str, Exercise]

    def solution(self, name: str) -> object:
        """Return the solution of the exercise `name`: the object called like it."""
        return getattr(self.module, _object_of(name))

    def source(self, name: str) -> str:
        """Return the solution of the exercise `name` as text that runs on its own."""
        return _with_what_it_uses(self.path.read_text(encoding="utf-8"), _object_of(name))


def solution_files() -> list[Path]:
    """Return the file of solutions of every notebook; none where there is no course."""
    folder = find_in_repository(Path("notebooks", "solutions"))
    return sorted(folder.glob("nb*.py")) if folder is not None else []


def lesson(number: str) -> Lesson:
    """Load the solutions and checks of the notebook `number` (``"02"``).

    Raises
    ------
    ExerciseError
        When there is no such file, or an exercise in it does not fit the notebook.
    """
    path = find_in_repository(Path("notebooks", "solutions", f"nb{number}.py"))
    if path is None:
        raise ExerciseError(
            f"no solutions of a notebook {number!r}: notebooks/solutions/nb{number}.py is not there"
        )
    return load(path)


def load(path: Path) -> Lesson:
    """Load the solutions and checks in `path`, a file called ``nb02.py`` for notebook 02.

    Raises
    ------
    ExerciseError
        When the file does not load, or an exercise in it does not fit.
    """
    number = path.stem.removeprefix("nb")
    name = f"mesh_lab_solutions_nb{number}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ExerciseError(
            f"{path.name} does not load: {type(error).__name__}: {error}"
        ) from error
    found = [value for value in vars(module).values() if isinstance(value, Exercise)]
    exercises = {one.name: one for one in found}
    for one in exercises:
        if not one.startswith(f"{number}.") or not hasattr(module, _object_of(one)):
            raise ExerciseError(
                f"{path.name}: exercise {one!r} must be called '{number}.NAME', and the file must "
                "hold its solution, an object called NAME"
            )
    return Lesson(number, path, module, exercises)


def find(name: str) -> tuple[Lesson, Exercise]:
    """Return the exercise `name` and the lesson it belongs to."""
    if not isinstance(name, str):
        called = getattr(name, "__name__", "")
        like = " or ".join(_ending(called)) or "'02.littles_law'"
        raise ExerciseError(f"give the exercise's name in quotes, like {like}")
    number, dot, _ = name.partition(".")
    if not dot or not number.isdecimal() or len(number) > 4:
        like = " or ".join(_ending(name))
        meant = f"did you mean {like}?" if like else "it looks like '02.littles_law'"
        raise ExerciseError(f"{name!r} is no exercise's name: {meant}")
    there = lesson(number)
    if name not in there.exercises:
        known = ", ".join(sorted(there.exercises)) or "none"
        raise ExerciseError(f"no exercise {name!r}; notebook {number} has: {known}")
    return there, there.exercises[name]


def _ending(name: str) -> list[str]:
    """Return, in quotes, the exercises of every notebook that ask for the object `name`."""
    found = []
    for path in solution_files():
        try:
            found += [repr(one) for one in load(path).exercises if _object_of(one) == name]
        except ExerciseError:  # somebody else's fault, told when that notebook is asked for
            continue
    return found


def _object_of(name: str) -> str:
    return name.partition(".")[2]


def _with_what_it_uses(text: str, name: str) -> str:
    """Return the top-level statements of `text` that bind `name`, and all that these need."""
    statements = ast.parse(text).body
    binders: dict[str, list[ast.stmt]] = {}
    for statement in statements:
        for bound in _binds(statement):
            binders.setdefault(bound, []).append(statement)
    needed: set[str] = set()
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current in needed or current not in binders:
            continue
        needed.add(current)
        for statement in binders[current]:
            waiting.extend(node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
    imports, rest = [], []
    for statement in statements:
        if not needed & _binds(statement):
            continue
        if isinstance(statement, ast.Import | ast.ImportFrom):
            statement.names = [a for a in statement.names if _as(a) in needed]
            imports.append(ast.unparse(statement))
        else:
            first = min([statement.lineno, *(d.lineno for d in _decorators(statement))])
            rest.append("\n".join(text.splitlines()[first - 1 : statement.end_lineno]))
    return "\n\n".join(["\n".join(imports), *rest]).strip() + "\n"


def _binds(statement: ast.stmt) -> set[str]:
    """Return the names that a top-level statement gives a meaning to."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        return set() if future else {_as(alias) for alias in statement.names}
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return {
            node.id
            for node in ast.walk(statement)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
    return set()


def _as(alias: ast.alias) -> str:
    return alias.asname or alias.name.partition(".")[0]


def _decorators(statement: ast.stmt) -> list[ast.expr]:
    return getattr(statement, "decorator_list", [])
