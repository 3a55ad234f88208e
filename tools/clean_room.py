"""A place to run notebooks in where nothing personal can change an output.

The reader's predictions, IPython's start-up files and a strict mode that was left switched on are
the user's own: none of them may show in an output that is committed or compared.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["clean_room"]


@contextmanager
def clean_room(*, strict: bool = False) -> Iterator[None]:
    """Give this process, and the kernels it starts, an empty ledger and no personal files.

    Parameters
    ----------
    strict : bool
        Whether checks of exercises raise.
    """
    with tempfile.TemporaryDirectory(prefix="mesh_lab-") as scratch:
        ours = {
            "IPYTHONDIR": str(Path(scratch, "ipython")),
            "MESH_LAB_LEDGER": str(Path(scratch, "predictions.json")),
            "MESH_LAB_STRICT": "1" if strict else "0",
        }
        theirs = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        try:
            yield
        finally:
            for name, value in theirs.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
