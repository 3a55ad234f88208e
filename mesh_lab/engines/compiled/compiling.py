"""Compiling the loop and the balancing rules, once a family, and keeping the machine code.

numba compiles a function anew for each combination of argument types.  A rule's state has a class
of its own, so the loop is compiled once for each such class (a family), with the kernels that the
class names built in.  The machine code is kept on disk, in a folder named by a digest of all the
code that went into it, because numba itself looks only at the file of the outermost function.

Each family has a folder of its own there: numba numbers what it keeps of one function, and two
processes that compile different families at once would take the same number, so that one family
would find the code of the other.  Where no folder can be written, nothing is kept.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import logging
import os
import pickle
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

from ...balancing.rule import KERNELS
from . import loop, onepass, rules
from .events import log_filling, log_loop, queue_loop
from .graph import guarding
from .graph import loop as graph_loop
from .graph import rules as graph_rules

__all__ = ["Compiled", "compiled", "installed"]

_log = logging.getLogger("mesh_lab")


@functools.cache
def installed() -> bool:
    """Whether numba is there."""
    import importlib.util

    return importlib.util.find_spec("numba") is not None


class Compiled:
    """The compiled functions, which are called as the plain ones are."""

    def __init__(self) -> None:
        from numba.extending import overload, register_jitable

        # nothing here allocates, and counting references would take most of the time
        plain: Any = {"_nrt": False, "error_model": "numpy"}
        inside: Any = {**plain, "forceinline": True}
        loops = (loop.LOOP, onepass.ONEPASS, log_loop.LOOP, queue_loop.QUEUE, graph_loop.GRAPH)
        for function in chain(*loops, guarding.GUARDING):
            register_jitable(**plain)(function)
        for function in KERNELS:
            register_jitable(**inside)(function)
        for place, leading in _LEADING.items():
            overload(place, jit_options=inside)(leading)
        for place, kernel in _BY_NUMBER.items():
            overload(place, jit_options=inside)(_unrolled(place, kernel))
        for place, silent in guarding.ASKED.items():
            overload(place, jit_options=plain, strict=False)(_guarded(place, silent))
        self._functions: dict[str, Callable[..., Any]] = {
            function.__name__: function
            for function in (
                loop.run_loop,
                onepass.run_onepass,
                log_loop.run_log,
                log_filling.fill_rows,
                queue_loop.run_queue,
                graph_loop.run_graph,
            )
        }
        self._kept = _folder()

    def _jit(self, function: Callable[..., Any], folder: Path | None) -> Any:
        """Return the function to be compiled when it is called, and kept in `folder`."""
        numba: Any = importlib.import_module("numba")
        jit = functools.partial(numba.njit, nogil=True, _nrt=False, error_model="numpy")
        if folder is None:
            return jit(function)
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            return jit(function, cache=True)
        finally:
            numba.config.CACHE_DIR = before

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = self._functions[name]
        numba: Any = importlib.import_module("numba")
        if numba.config.DISABLE_JIT:
            return function
        families: dict[tuple[type, ...], Any] = {}

        def call(*arguments: Any) -> Any:
            family = _family(arguments)
            jitted = families.get(family)
            if jitted is not None:
                return jitted(*arguments)
            began = time.perf_counter()
            kept = self._kept is not None
            jitted = self._jit(function, self._kept / _named_by(family) if self._kept else None)
            try:
                _compile(jitted, arguments)
            except (OSError, EOFError, pickle.PickleError):
                # what is kept cannot be read, or no more written
                kept, jitted = False, self._jit(function, None)
                _compile(jitted, arguments)
            families[family] = jitted
            if sum(jitted.stats.cache_misses.values()):
                _say(name, arguments, time.perf_counter() - began, kept=kept)
            return jitted(*arguments)

        self.__dict__[name] = call
        return call


def _family(arguments: tuple[Any, ...]) -> tuple[type, ...]:
    """Return the classes of the arguments; of a plain tuple, those of what is in it."""
    family: list[type] = []
    for argument in arguments:
        inside = argument if type(argument) is tuple else (argument,)
        family.extend(map(type, inside))
    return tuple(family)


def _compile(jitted: Any, arguments: tuple[Any, ...]) -> None:
    """Compile a function for arguments such as these, or find what is kept.

    Python's negative indices count from the end, and asking every index for its sign takes a fifth
    of the time.  The loop and the rules have none, so numba's part that asks is put aside meanwhile
    (under numba's own lock, so that nothing else is compiled); `NUMBA_BOUNDSCHECK=1` still looks.
    """
    numba: Any = importlib.import_module("numba")
    indexing: Any = importlib.import_module("numba.np.arrayobj")
    lock = importlib.import_module("numba.core.compiler_lock").global_compiler_lock
    signature = tuple(numba.typeof(argument) for argument in arguments)
    asks = getattr(indexing, "fix_integer_index", None)

    def take(context: Any, builder: Any, kind: Any, index: Any, size: Any) -> Any:
        return context.cast(builder, index, kind, numba.types.intp)

    with lock:
        try:
            if asks is not None:  # without it, it is only slower
                indexing.fix_integer_index = take
            jitted.compile(signature)
        finally:
            if asks is not None:
                indexing.fix_integer_index = asks


def _named_by(family: tuple[type, ...]) -> str:
    """Return the name of a family's folder."""
    names = " ".join(f"{kind.__module__}.{kind.__qualname__}" for kind in family)
    return hashlib.blake2b(names.encode(), digest_size=8).hexdigest()


def _say(name: str, arguments: tuple[Any, ...], seconds: float, *, kept: bool) -> None:
    """Say that something was compiled; on a terminal, because notebooks compare what is said."""
    states = [type(a).__name__ for a in arguments if isinstance(a, tuple)]
    text = f"mesh_lab compiled {name} for {', '.join(states)}"
    text += "; it is kept for the next time" if kept else "; there is no place to keep it"
    _log.info("%s (%.1f s)", text, seconds)
    if sys.stderr is not None and sys.stderr.isatty():
        print(text, file=sys.stderr)


def _named(s: Any, name: str, calls: Callable[..., Any], silent: Callable[..., Any]) -> Any:
    """Return the code of a place: a call of the kernel that the state's class names, or nothing."""
    kernel = getattr(s.instance_class, name, None)
    return silent if kernel is None else calls(kernel)


# numba asks these for the code of a place in the loop, by the types of the arguments; it wants the
# very names of the arguments, and no annotations
_LEADING: dict[Any, Any] = {
    rules.pool_of: lambda r, v, p, level, zone: _named(
        r,
        "pool",
        lambda kernel: lambda r, v, p, level, zone: kernel(r, v, p, level, zone),
        lambda r, v, p, level, zone: -1,
    ),
    rules.choose: lambda s, v, g, u, now, key: _named(
        s,
        "pick",
        lambda kernel: lambda s, v, g, u, now, key: kernel(s, v, g, u, now, key),
        lambda s, v, g, u, now, key: -1,
    ),
    rules.sent: lambda s, v, p, e, now: _named(
        s,
        "sent",
        lambda kernel: lambda s, v, p, e, now: kernel(s, v, p, e, now),
        lambda s, v, p, e, now: None,
    ),
    rules.answered: lambda s, v, p, e, now, latency, ok, there, worked: _named(
        s,
        "answered",
        lambda kernel: (
            lambda s, v, p, e, now, latency, ok, there, worked: kernel(
                s, v, p, e, now, latency, ok, there, worked
            )
        ),
        lambda s, v, p, e, now, latency, ok, there, worked: None,
    ),
    rules.arrived: lambda s, v, e, now: _named(
        s,
        "arrived",
        lambda kernel: lambda s, v, e, now: kernel(s, v, e, now),
        lambda s, v, e, now: None,
    ),
    rules.left: lambda s, v, e, now, stay, met: _named(
        s,
        "left",
        lambda kernel: lambda s, v, e, now, stay, met: kernel(s, v, e, now, stay, met),
        lambda s, v, e, now, stay, met: None,
    ),
    rules.ring: lambda s, v, code, now: _named(
        s,
        "alarm",
        lambda kernel: lambda s, v, code, now: kernel(s, v, code, now),
        lambda s, v, code, now: None,
    ),
}


_BY_NUMBER: dict[Any, str] = {
    graph_rules.choose_by: "pick",
    graph_rules.sent_by: "sent",
    graph_rules.answered_by: "answered",
}


def _unrolled(place: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return what gives numba the code of a place where one of several rules is asked.

    The rules are asked for one by one, because each state has a type of its own.
    """
    arguments = list(inspect.signature(place).parameters)
    listed = ", ".join(arguments)
    # what a kernel takes: its state, then what follows the number; how many were left there is 0
    given = ", ".join(["states[{k}]", *arguments[2:]])
    if name == "answered":
        given = given.replace("ok,", "ok, 0,")

    def lead(states: Any) -> Callable[..., Any]:
        kernels = [getattr(state.instance_class, name, None) for state in states.types]
        text = [f"def asked({listed}):"]
        for number, kernel in enumerate(kernels):
            if kernel is not None:
                text.append(f"    if k == {number}:")
                text.append(f"        return kernel{number}({given.format(k=number)})")
        text.append("    return -1" if name == "pick" else "    return None")
        made: dict[str, Any] = {
            f"kernel{number}": kernel for number, kernel in enumerate(kernels) if kernel is not None
        }
        exec("\n".join(text), made)  # nothing of it comes from outside
        return made["asked"]  # type: ignore[no-any-return]

    scope: dict[str, Any] = {"lead": lead}
    exec(f"def typed({listed}):\n    return lead(states)", scope)
    return scope["typed"]  # type: ignore[no-any-return]


def _guarded(place: Callable[..., Any], silent: Callable[..., Any]) -> Callable[..., Any]:
    """Return what gives numba the code of a place where the guards are asked, if there are any."""
    return lambda *arguments: place if arguments[0].instance_class is guarding.Guarded else silent


def _folder() -> Path | None:
    """Return where the machine code is kept: a folder for this very code; None if there is none."""
    import numba
    import numpy as np

    package = Path(__file__).parents[2]
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{sys.version} {numba.__version__} {np.__version__}".encode())
    # these change the machine code too, and numba does not look at them either
    config: Any = numba.config
    digest.update(f"{config.BOUNDSCHECK} {config.OPT}".encode())
    for part in ("balancing", "resilience", "engines/compiled"):
        for file in sorted((package / part).rglob("*.py")):
            digest.update(file.read_bytes())
    for name in ("ledger.py", "messaging/deliveries.py", "messaging/keeping.py"):
        digest.update((package / name).read_bytes())
    root = os.environ.get("MESH_LAB_CACHE")
    try:
        if not root:
            cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
            root = str(Path(cache) / "mesh_lab")
        folder = Path(root).expanduser().absolute() / digest.hexdigest()
        # asked here, because numba would go on to folders that are not named by the digest
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except (OSError, RuntimeError):  # it cannot be written; nobody knows where home is
        return None
    return folder


@functools.cache
def compiled() -> Compiled:
    """Return the compiled functions."""
    return Compiled()
