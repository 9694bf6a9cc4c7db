"""The cache folder: small JSON files that make a fresh process start fast. Losing it costs time, never a result.

Owns where it is, reading that trusts nothing, and writing that survives unwritable folders and concurrent writers.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

KEPT = 400
"""Files kept in the folder; the oldest go first."""


def cache_folder() -> Path | None:
    """`$COSPACE_CACHE`, else `$XDG_CACHE_HOME/cospace`, else `~/.cache/cospace`; None when there is no home."""
    own = os.environ.get("COSPACE_CACHE")
    if own:
        return Path(own)
    general = os.environ.get("XDG_CACHE_HOME")
    if general:
        return Path(general) / "cospace"
    home = os.path.expanduser("~")
    return None if home == "~" else Path(home) / ".cache" / "cospace"


def digest(*parts: str) -> str:
    """A key for content: equal only for equal parts."""
    state = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def read_cached(kind: str, key: str) -> Any | None:
    """The value stored under `kind` and `key`, or None when it is missing or damaged."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        check, _, body = (folder / f"{kind}-{key}.json").read_bytes().partition(b"\n")
        return json.loads(body) if check == _checksum(key, body) else None
    except (OSError, ValueError, RecursionError):
        return None


def _checksum(key: str, body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=20, key=key.encode()[:64]).hexdigest().encode()


def write_cached(kind: str, key: str, value: Any) -> bool:
    """Store a JSON value; False when the folder can't be written. The file appears whole or not at all."""
    folder = cache_folder()
    if folder is None:
        return False
    temporary = ""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".new-", suffix=".json")
        body = json.dumps(value, separators=(",", ":")).encode()
        with os.fdopen(handle, "wb") as out:
            out.write(_checksum(key, body) + b"\n" + body)
        os.replace(temporary, folder / f"{kind}-{key}.json")
    except (OSError, ValueError, TypeError, RecursionError):
        if temporary:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
        return False
    _prune(folder)
    return True


def _prune(folder: Path) -> None:
    try:
        with os.scandir(folder) as entries:
            files = [(e.stat().st_mtime, e.path) for e in entries if e.name.endswith(".json") and e.is_file()]
        if len(files) > KEPT:
            for _, path in sorted(files)[: len(files) - KEPT + KEPT // 10]:
                os.unlink(path)
    except OSError:
        pass
