"""Arrays of zeros in files mapped into memory: weights that no path uses now take room on a disk.

The files have no name, so that nothing is left behind however a process ends. Their room is taken when they are made:
a disk that is full is told there, in words, and not by a signal when a page is written later. A folder for temporary
files that itself lies in memory (tmpfs) saves none.
"""

from __future__ import annotations

import errno
import math
import mmap
import os
import tempfile
import weakref
from typing import IO

import numpy as np
from cospace.runtime.registry import refuse

FIRST, LARGEST = 2**20, 2**26
"""Bytes of the first file and, doubling, of later ones; an array beyond that has a file of its own size."""
ALIGNED = 64
CHUNK = 2**20
UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS)


class Parking:
    """float32 arrays in a few files. A file's room is given back when the last array in it is gone."""

    def __init__(self) -> None:
        self._rest = np.zeros(0, np.uint8)
        self._next = FIRST
        self._files: list[weakref.ref[mmap.mmap]] = []

    @property
    def disk_bytes(self) -> int:
        """Room that the files take."""
        return sum(len(memory) for file in self._files if (memory := file()) is not None)

    def take(self, shape: tuple[int, ...]) -> np.ndarray:
        """Zeros of a shape.

        Raises:
            SpecError: CS711 when the folder for temporary files has no room, or none can be written there.
        """
        size = 4 * math.prod(shape)
        whole = -(-size // ALIGNED) * ALIGNED
        if whole > len(self._rest):
            self._rest = self._map(max(whole, self._next))
            self._next = min(2 * self._next, LARGEST)
        part, self._rest = self._rest[:size], self._rest[whole:]
        return part.view(np.float32).reshape(shape)

    def _map(self, size: int) -> np.ndarray:
        try:
            with tempfile.TemporaryFile(prefix="cospace-") as file:
                _reserve(file, size)
                memory = mmap.mmap(file.fileno(), size)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise refuse(
                "CS711",
                f"{size / 2**20:,.0f} MiB of weights cannot be parked in {_folder()}: {reason}",
                help="make room there, or set TMPDIR to a folder with room; `cospace resume` goes on with a run that "
                "had begun",
            ) from error
        self._files = [*(f for f in self._files if f() is not None), weakref.ref(memory)]
        return np.frombuffer(memory, np.uint8)


def _reserve(file: IO[bytes], size: int) -> None:
    """Give a file its blocks on the disk, by writing them where the system has no call for it."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
    for start in range(0, size, CHUNK):
        file.write(bytes(min(CHUNK, size - start)))
    file.flush()


def _folder() -> str:
    try:
        return tempfile.gettempdir()
    except OSError:
        return "a folder for temporary files"
