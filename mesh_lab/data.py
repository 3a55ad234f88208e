"""Where the recorded data are, whatever the working directory.

A notebook starts in notebooks/, a test at the top of the repository, a user wherever they stand.
The file is looked for in data/ of the working directory and of every directory above it, and
last in the repository that the package itself was installed from.
"""

from __future__ import annotations

from pathlib import Path

from .errors import DataError

__all__ = ["data_path", "find_in_repository"]

_INSTALLED_FROM = Path(__file__).resolve().parent.parent


def data_path(name: str) -> Path:
    """Return the path of the file `name` of the repository's data/ directory.

    Parameters
    ----------
    name : str
        The path inside data/, with forward slashes: ``"measured/requests.csv.gz"``.

    Raises
    ------
    DataError
        When there is no such file; it says where it was looked for and what is there.

    Examples
    --------
    >>> data_path("measured/requests.csv.gz").name
    'requests.csv.gz'
    >>> data_path("measured/orders.csv")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    mesh_lab.errors.DataError: no data file 'measured/orders.csv'; ...
    """
    inside = Path(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise DataError(f"{name!r} must be a path inside data/, like 'measured/requests.csv.gz'")
    found = find_in_repository(Path("data") / inside)
    if found is not None:
        return found
    folder = find_in_repository(Path("data") / inside.parent)
    if folder is None or not folder.is_dir():
        raise DataError(
            f"no data file {name!r}: neither {Path.cwd()} nor a directory above it holds "
            f"{(Path('data') / inside.parent).as_posix()}/; start inside the mesh_lab repository"
        )
    there = ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"
    raise DataError(
        f"no data file {name!r}; {(Path('data') / inside.parent).as_posix()} holds {there}"
    )


def find_in_repository(relative: Path) -> Path | None:
    """Return the nearest `relative` at or above the working directory, or None."""
    here = Path.cwd()
    for top in (here, *here.parents, _INSTALLED_FROM):
        if (top / relative).exists():
            return top / relative
    return None
