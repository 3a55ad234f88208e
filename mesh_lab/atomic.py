"""Writing a file so that it is the old one or the new one, whatever happens in between.

The new content goes to a temporary file in the same directory (a rename is atomic only within one
file system), is forced to the disk, and then takes the old file's place in one step.  When anything
fails, the temporary file is removed and the old one is as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import ScenarioFileError

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary file to write to, which takes the place of `path` if all went well.

    Raises
    ------
    ScenarioFileError
        When the file cannot be written.
    """
    try:
        # through a link, so that the link stays one
        target = Path(os.path.realpath(os.fsdecode(path)))
    except (TypeError, ValueError) as error:
        raise ScenarioFileError(f"{path!r} cannot be written: it is no path ({error})") from None
    temporary = target.with_name(f".{target.name[:50]}.{secrets.token_hex(8)}.part")
    try:
        if target.exists() and not (target.is_file() or target.is_dir()):
            # a rename would put a plain file in the place of a device or a pipe
            raise OSError(errno.EINVAL, "it is not a file")
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        # not tempfile, whose files only their owner may read, whatever the umask says
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            yield temporary
            _to_disk(temporary)
            if target.exists():
                os.chmod(temporary, target.stat().st_mode & 0o777)
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise ScenarioFileError(
            f"{path}: cannot be written: {error.strerror or error}; what was there is as it was"
        ) from None
    with contextlib.suppress(OSError):  # not every system can open a directory
        _to_disk(target.parent)


def _to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(number)
    finally:
        os.close(number)
