"""Every error that mesh_lab raises on purpose, each telling a person what to do.

An error names the part, the field, what was given and what is allowed.  All of them are
`MeshLabError`, so that one ``except`` catches them; those that report a bad argument are
`ValueError` too, as Python users expect.
"""

from __future__ import annotations

__all__ = [
    "ConflictError",
    "DataError",
    "Deadlock",
    "EventError",
    "ExerciseError",
    "InvariantError",
    "MeshLabError",
    "PartError",
    "PlotError",
    "ScenarioError",
    "ScenarioFileError",
    "StatisticsError",
    "StoreError",
    "TraceError",
    "UnstableError",
]


class MeshLabError(Exception):
    """The base of every error that mesh_lab raises on purpose."""


class PartError(MeshLabError, ValueError):
    """A part was declared with a field it cannot have.

    Parameters
    ----------
    part : str
        The part, as its kind and name: ``"Service 'orders'"``.
    field : str
        The field that is wrong, or ``""`` when it is the part as a whole.
    problem : str
        What was given and what is allowed.
    """

    def __init__(self, part: str, field: str, problem: str) -> None:
        super().__init__(part, field, problem)
        self.part = part
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        where = f"{self.part}, {self.field}" if self.field else self.part
        return f"{where}: {self.problem}"


class ScenarioError(MeshLabError, ValueError):
    """The parts are fine one by one, but do not fit together."""


class ScenarioFileError(MeshLabError, ValueError):
    """A scenario file cannot be read, or a scenario cannot be written."""


class TraceError(MeshLabError, ValueError):
    """A recorded trace is malformed: the message names file, line, column and what was found."""


class DataError(MeshLabError, FileNotFoundError):
    """A file of the repository's data/ is not there."""


class ExerciseError(MeshLabError, AssertionError):
    """An exercise is not solved, or not declared as it must be; only strict mode raises it."""


class EventError(MeshLabError, ValueError):
    """An event lacks a required attribute, or has one that CloudEvents 1.0 does not allow."""


class UnstableError(MeshLabError, ValueError):
    """A formula was asked about a system whose load is not below its capacity."""


class StatisticsError(MeshLabError, ValueError):
    """A statistic was asked of data that cannot give it: which argument, what it holds."""


class PlotError(MeshLabError, ValueError):
    """There is nothing to draw, or it was asked for in a way that cannot be drawn."""


class Deadlock(MeshLabError, RuntimeError):  # noqa: N818  (the field's word for it)
    """Nothing is left that could move the requests in flight, or the time."""


class InvariantError(MeshLabError, AssertionError):
    """A run breaks a law that every run obeys: a fault of the engine, never of the scenario."""


class StoreError(MeshLabError, RuntimeError):
    """An event store cannot do what was asked, and nothing of it was done unless it says so.

    Parameters
    ----------
    store : str
        The store, as its URL without the password.
    reason : str
        One word, or a few, for programs: ``"full"``, ``"locked"``, ``"read-only"``, ``"missing"``,
        ``"foreign"``, ``"newer"``, ``"unreachable"``, ``"denied"``, ``"lost"``, ``"unknown"``,
        ``"too large"``, ``"disk"``, ``"damaged"``, ``"driver"``, ``"closed"``, ``"busy"``,
        ``"deadlock"``, ``"unfinished"``, ``"file"``.
    problem : str
        What happened.
    advice : str
        What to do.
    """

    def __init__(self, store: str, reason: str, problem: str, advice: str) -> None:
        super().__init__(store, reason, problem, advice)
        self.store = store
        self.reason = reason
        self.problem = problem
        self.advice = advice

    def __str__(self) -> str:
        return f"event store {self.store}: {self.problem}; {self.advice}"


class ConflictError(MeshLabError, RuntimeError):
    """A stream was not at the version that an append expected: somebody else was quicker.

    Parameters
    ----------
    stream : str
        The stream.
    expected, actual : int
        The version that the append expected, and the one that the stream has; 0 is a stream
        without events.
    """

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(stream, expected, actual)
        self.stream = stream
        self.expected = expected
        self.actual = actual

    def __str__(self) -> str:
        return (
            f"stream {self.stream!r}: version {self.expected} was expected, but it is at version "
            f"{self.actual}; nothing was appended. Read what came in between, decide anew, and "
            "append again"
        )
