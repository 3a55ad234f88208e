"""Declared parts: refused in words, immutable all the way down, and cheap to import."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import math
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_lab.allowed import allowed
from mesh_lab.distributions import Distribution, Exponential
from mesh_lab.errors import PartError
from mesh_lab.frozen import FrozenDict, FrozenList, frozen
from mesh_lab.parts import Count, Name, NonNegative, Positive, Probability, field, part


@part
class Belt:
    speed: Positive = 1.0
    sides: Count = 2


@part
class Machine:
    name: Name = field(kw_only=False)
    rate: Positive
    to: str | dict[str, Probability] | None = None
    deadline: NonNegative | Distribution | None = None
    steps: tuple[Positive, ...] = ()
    order: Literal["fifo", "lifo"] = "fifo"
    work: Callable[..., float] | Distribution | None = None
    outages: tuple[tuple[NonNegative, NonNegative], ...] = ()
    workers: Count = 1
    priority: int | dict[int, Probability] = 0
    belt: Belt = field(default_factory=Belt)
    spare: bool = False

    def __post_init__(self) -> None:
        if self.rate > 1000.0:
            raise PartError("", "rate", "is faster than its belt")
        if self.workers > 9:
            raise ValueError("has too many workers for its room")


# -- refused in words -------------------------------------------------------------------------

PLACES = "a string, a dict (of a string to a number from 0 to 1), or None"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rate": -1.0}, "rate: is -1.0, but must be a number above 0"),
        ({"rate": "1"}, "rate: is '1', but must be a number above 0"),
        ({"rate": True}, "rate: is True, but must be a number above 0"),
        ({"rate": math.nan}, "rate: is nan, but must be a number above 0"),
        ({"rate": math.inf}, "rate: is inf, but must be a number above 0 (and finite)"),
        ({"rate": None}, "rate: is None, but must be a number above 0"),
        ({"to": 3}, f"to: is 3, but must be {PLACES}"),
        ({"to": {"a": 2.0, "b": 3}}, "to['a']: is 2.0, but must be a number from 0 to 1"),
        ({"to": {"str": 2.0}}, "to['str']: is 2.0, but must be a number from 0 to 1"),
        ({"to": {1: 0.5}}, "to: has the key 1, but must be a string"),
        (
            {"deadline": -1},
            "deadline: is -1, but must be a number of at least 0, a Distribution such as "
            "Exponential(mean=0.1), or None",
        ),
        ({"steps": 5}, "steps: is 5, but must be a list (each item a number above 0)"),
        ({"steps": [1, -1, "x"]}, "steps[1]: is -1, but must be a number above 0"),
        ({"order": "filo"}, "order: is 'filo', but must be 'fifo' or 'lifo'"),
        (
            {"work": 3},
            "work: is 3, but must be a function, a Distribution such as Exponential(mean=0.1), "
            "or None",
        ),
        (
            {"outages": [(1, 2), (3, -4)]},
            "outages[1][1]: is -4, but must be a number of at least 0",
        ),
        (
            {"outages": [(1, 2, 3)]},
            "outages[0]: is (1, 2, 3), but must be a list (of 2 items: "
            "a number of at least 0; a number of at least 0)",
        ),
        ({"workers": 0}, "workers: is 0, but must be an integer of at least 1"),
        ({"workers": 1.5}, "workers: is 1.5, but must be an integer of at least 1"),
        ({"priority": {0: 2.0}}, "priority[0]: is 2.0, but must be a number from 0 to 1"),
        ({"priority": {"a": 0.2}}, "priority: has the key 'a', but must be an integer"),
        ({"belt": {"speed": 2.0}}, "belt: is {'speed': 2.0}, but must be a Belt"),
        ({"spare": 1}, "spare: is 1, but must be True or False"),
        (
            {"worker": 1},
            "worker: is not a field of Machine (did you mean workers?); it has: name, ",
        ),
        ({"colour": 1}, "colour: is not a field of Machine; it has: name, rate, to, deadline, "),
        ({"name": "again"}, "name: is given twice, by position and by name"),
        ({"rate": 2000.0}, "rate: is faster than its belt"),
    ],
)
def test_the_words_of_a_refusal(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(PartError) as caught:
        Machine("mill", **{"rate": 1.0} | fields)
    named = fields.get("name", "mill")
    assert str(caught.value).startswith(f"Machine {named!r}, {message}")
    if not message.endswith(", "):
        assert str(caught.value) == f"Machine {named!r}, {message}"
    assert caught.value.field == message.split(":")[0]
    assert isinstance(caught.value, ValueError)


def test_what_is_missing_or_too_much() -> None:
    make: Any = Machine
    with pytest.raises(PartError, match=r"^Machine, name: is missing, but must be a string that"):
        make(rate=1.0)
    with pytest.raises(PartError, match=r"^Machine 'mill', rate: is missing, but must be a number"):
        make("mill")
    with pytest.raises(PartError, match=r"^Machine 'mill': takes only name by position, but was"):
        make("mill", 1.0)
    with pytest.raises(PartError, match=r"^Machine '', name: is '', but must be a string that is"):
        make("", rate=1.0)
    with pytest.raises(PartError, match=r"^Machine, name: is 3, but must be a string that is not"):
        make(3, rate=1.0)
    with pytest.raises(PartError, match=r"^Machine 'mill': has too many workers for its room$"):
        make("mill", rate=1.0, workers=10)


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(PartError) as caught:
        Machine("mill", rate=1.0, order=tuple(range(1000)))  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200
    assert "..." in str(caught.value)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (Probability | None, "a number from 0 to 1 or None"),
        (tuple[int, str], "a list (of 2 items: an integer; a string)"),
        (dict, "a dict"),
        (Any, "anything"),
        (list[int], "a list"),
        (Literal["a"], "'a'"),
        (Callable, "a function"),
        (
            Exponential | Distribution,
            "an Exponential, or a Distribution such as Exponential(mean=0.1)",
        ),
    ],
)
def test_types_in_words(hint: Any, words: str) -> None:
    assert allowed(hint) == words


# -- a part is a value ------------------------------------------------------------------------

BUSY = Machine(
    "mill", rate=2, to={"a": 0.5, "b": 0.5}, priority={0: 0.1, 1: 0.9}, outages=[(1, 2)],  # type: ignore[arg-type]
    deadline=Exponential(mean=1.0), belt=Belt(speed=3.0),
)  # fmt: skip


def test_the_repr_shows_what_is_not_default_and_makes_it_again() -> None:
    assert repr(BUSY) == (
        "Machine('mill', rate=2.0, to={'a': 0.5, 'b': 0.5}, deadline=Exponential(mean=1.0), "
        "outages=((1.0, 2.0),), priority={0: 0.1, 1: 0.9}, belt=Belt(speed=3.0))"
    )
    assert eval(repr(BUSY)) == BUSY
    assert repr(Machine("mill", rate=1.0, belt=Belt(), workers=1)) == "Machine('mill', rate=1.0)"
    assert repr(Belt(speed=1, sides=2)) == "Belt()"


def test_a_function_is_shown_without_its_address() -> None:
    def price() -> float:
        return 1.0

    assert "0x" in repr(price)
    assert repr(Machine("mill", rate=1.0, work=price)).endswith("price>)")
    assert "0x" not in repr(Machine("mill", rate=1.0, work=price))


def test_equality_hash_copies_and_pickles() -> None:
    same = dataclasses.replace(BUSY)
    assert same == BUSY
    assert hash(same) == hash(BUSY)
    assert dataclasses.replace(BUSY, rate=3.0) != BUSY
    for copied in (pickle.loads(pickle.dumps(BUSY)), copy.deepcopy(BUSY), copy.copy(BUSY)):
        assert copied == BUSY
        assert hash(copied) == hash(BUSY)
        with pytest.raises(TypeError, match="cannot be changed"):
            copied.to["a"] = 1.0  # type: ignore[index]
    assert len({BUSY, same}) == 1


def test_nothing_in_a_part_can_change() -> None:
    routes = {"a": 1.0}
    machine = Machine("mill", rate=1.0, to=routes)
    routes["b"] = 1.0
    assert machine.to == {"a": 1.0}
    with pytest.raises(dataclasses.FrozenInstanceError):
        machine.rate = 2.0  # type: ignore[misc]
    with pytest.raises(PartError, match=r"rate: is -1\.0"):
        dataclasses.replace(machine, rate=-1.0)


def test_arrays_series_ranges_and_lists_are_taken_as_tuples() -> None:
    values: list[Any] = [
        [1, 2], (1.0, 2.0), np.array([1, 2]), np.array([1.0, 2.0]), pd.Series([1, 2]), range(1, 3),
    ]  # fmt: skip
    for steps in values:
        assert Machine("mill", rate=1.0, steps=steps).steps == (1.0, 2.0)
    made = Machine("mill", rate=np.float32(2), workers=np.int64(3))  # type: ignore[arg-type]
    assert (made.rate, made.workers) == (2.0, 3)
    assert (type(made.rate), type(made.workers)) == (float, int)
    pairs: Any = np.array([[1, 2], [3, 4]])
    assert Machine("mill", rate=1.0, outages=pairs).outages == ((1.0, 2.0), (3.0, 4.0))


def test_the_signature_reads_as_it_was_written() -> None:
    written = (
        "(name: Name, *, rate: Positive, to: str | dict[str, Probability] | None = None, "
        "deadline: NonNegative | Distribution | None = None, steps: tuple[Positive, ...] = (), "
    )
    assert str(inspect.signature(Machine)).startswith(written)
    Machine("mill", rate=1.0)  # builds the checks, which look the names up

    @part
    class Wider(Machine):
        width: Positive = 1.0

    assert str(inspect.signature(Wider)).startswith(written)
    assert str(inspect.signature(Wider)).endswith("spare: bool = False, width: Positive = 1.0)")
    assert Wider("mill", rate=1.0, width=2.0).width == 2.0


def test_the_signature_of_types_that_python_has_evaluated() -> None:
    fields = {"__annotations__": {"rate": Positive, "to": dict[str, Probability]}}
    evaluated: type[Any] = part(type("Evaluated", (), fields))
    expected = "(*, rate: Positive, to: dict[str, Probability])"
    assert str(inspect.signature(evaluated)) == expected


def test_parts_declared_where_their_types_are_local() -> None:
    @part
    class Inner:
        depth: Positive

    @part
    class Outer:
        inner: Inner

    assert Outer(inner=Inner(depth=1.0)).inner.depth == 1.0
    with pytest.raises(PartError, match="Outer, inner: is 3, but must be an Inner"):
        Outer(inner=3)  # type: ignore[arg-type]


def test_importing_declares_parts_without_loading_what_is_slow() -> None:
    slow = {"pydantic", "scipy", "pandas", "matplotlib", "joblib", "numba", "yaml"}
    script = "import sys, mesh_lab; print(*[m for m in sys.modules if '.' not in m])"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert slow & set(loaded.stdout.split()) == set()


# -- frozen values ----------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), plain))
def test_frozen_values_are_equal_hashable_and_survive_copies(value: dict[str, Any]) -> None:
    made = frozen(value)
    assert FrozenDict(value) == value
    assert hash(made) == hash(frozen(copy.deepcopy(value)))
    assert pickle.loads(pickle.dumps(made)) == made
    assert copy.deepcopy(made) == made
    assert type(pickle.loads(pickle.dumps(made))) is FrozenDict
    assert json.loads(json.dumps(made)) == value


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.__setitem__("a", 1), lambda d: d.__delitem__("a"), lambda d: d.clear(),
        lambda d: d.pop("a"), lambda d: d.popitem(), lambda d: d.setdefault("b", 1),
        lambda d: d.update(b=1), lambda d: d.__ior__({"b": 1}),
    ],
)  # fmt: skip
def test_a_frozen_dict_refuses_every_change(change: Callable[[Any], Any]) -> None:
    value = FrozenDict({"a": 1})
    with pytest.raises(TypeError, match="cannot be changed"):
        change(value)
    assert value == {"a": 1}


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v.__setitem__(0, 1), lambda v: v.__delitem__(0), lambda v: v.append(1),
        lambda v: v.extend([1]), lambda v: v.insert(0, 1), lambda v: v.pop(), lambda v: v.clear(),
        lambda v: v.remove(3), lambda v: v.reverse(), lambda v: v.sort(), lambda v: v.__iadd__([1]),
        lambda v: v.__imul__(2),
    ],
)  # fmt: skip
def test_a_frozen_list_refuses_every_change(change: Callable[[Any], Any]) -> None:
    value = FrozenList([3, 1])
    with pytest.raises(TypeError, match="cannot be changed"):
        change(value)
    assert value == [3, 1]
    assert pickle.loads(pickle.dumps(value)) == value
    assert hash(value) == hash(FrozenList([3, 1]))


def test_every_method_that_changes_a_dict_or_list_is_covered() -> None:
    reading = {"get", "items", "keys", "values", "copy", "fromkeys", "count", "index"}
    for kind in (FrozenDict, FrozenList):
        public = {name for name in dir(kind) if not name.startswith("_")}
        assert public - reading <= set(vars(kind))
