"""What an answer of the compiler depends on besides what it was asked."""

from __future__ import annotations

import os
from functools import lru_cache

import cospace.compiler
import cospace.dsl
from cospace import __version__


@lru_cache(maxsize=1)
def own_version() -> str:
    """Changes with any file of the language and the compiler."""
    found = [__version__]
    for package in (cospace.compiler, cospace.dsl):
        root = os.path.realpath(package.__path__[0])
        for folder, folders, names in os.walk(root):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    path = os.path.join(folder, name)
                    stat = os.stat(path)
                    found.append(f"{path.removeprefix(root)}:{stat.st_mtime_ns}:{stat.st_size}")
    return "\n".join(found)


__all__ = ["own_version"]
