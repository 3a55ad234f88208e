"""Compiling the loop and the balancing rules, once a family, and keeping the machine code.

numba compiles a function anew for each combination of argument types.  A rule's state has a class
of its own, so the loop is compiled once for each such class (a family), with the kernels that the
class names built in.  The machine code is kept on disk, in a folder named by a digest of all the
code that went into it, because numba itself looks only at the file of the outermost function.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...balancing.rule import KERNELS
from . import loop, onepass, rules

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
        numba: Any = importlib.import_module("numba")
        from numba.extending import overload, register_jitable

        # nothing here allocates, and counting references would take most of the time
        plain: Any = {"_nrt": False, "error_model": "numpy"}
        inside: Any = {**plain, "forceinline": True}
        for function in (*loop.LOOP, *onepass.ONEPASS):
            register_jitable(**plain)(function)
        for function in KERNELS:
            register_jitable(**inside)(function)
        for place, leading in _LEADING.items():
            overload(place, jit_options=inside)(leading)
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(_folder())
        try:
            jit = functools.partial(
                numba.njit, cache=True, nogil=True, _nrt=False, error_model="numpy"
            )
            self._jitted: dict[str, Any] = {
                function.__name__: jit(function)
                for function in (
                    loop.run_loop,
                    onepass.run_onepass,
                )
            }
        finally:
            numba.config.CACHE_DIR = before

    def __getattr__(self, name: str) -> Callable[..., Any]:
        jitted = self._jitted[name]

        families: set[tuple[type, ...]] = set()

        def call(*arguments: Any) -> Any:
            family = tuple(map(type, arguments))
            if family in families:
                return jitted(*arguments)
            families.add(family)
            began = time.perf_counter()
            known = sum(jitted.stats.cache_misses.values())
            result = jitted(*arguments)
            if sum(jitted.stats.cache_misses.values()) > known:
                _say(name, arguments, time.perf_counter() - began)
            return result

        self.__dict__[name] = call
        return call


def _say(name: str, arguments: tuple[Any, ...], seconds: float) -> None:
    """Say that something was compiled; on a terminal, because notebooks compare what is said."""
    states = [type(a).__name__ for a in arguments if isinstance(a, tuple)]
    text = f"mesh_lab compiled {name} for {', '.join(states)}; it is kept for the next time"
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


def _folder() -> Path:
    """Return where the machine code is kept: a folder for this very code."""
    import numba
    import numpy as np

    package = Path(__file__).parents[2]
    digest = hashlib.blake2b(digest_size=8)
    digest.update(f"{sys.version} {numba.__version__} {np.__version__}".encode())
    for part in ("balancing", "engines/compiled"):
        for file in sorted((package / part).rglob("*.py")):
            digest.update(file.read_bytes())
    digest.update((package / "ledger.py").read_bytes())
    root = os.environ.get("MESH_LAB_CACHE")
    if root is None:
        root = str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mesh_lab")
    return Path(root) / digest.hexdigest()


@functools.cache
def compiled() -> Compiled:
    """Return the compiled functions."""
    return Compiled()
