"""What an answer of the compiler depends on besides what it was asked."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cospace.compiler
import cospace.dsl
from cospace import __version__


@lru_cache(maxsize=1)
def own_version() -> str:
    """Changes with any file of the language and the compiler."""
    found = [__version__]
    for package in (cospace.compiler, cospace.dsl):
        folder = Path(package.__path__[0]).resolve()
        for file in sorted(folder.rglob("*.py")):
            stat = file.stat()
            found.append(f"{file.relative_to(folder)}:{stat.st_mtime_ns}:{stat.st_size}")
    return "\n".join(found)


__all__ = ["own_version"]
