"""What `check` proved of files that haven't changed since: kept in the cache folder, with every file it rests on.

Only answers without any message are kept. The key holds cospace's own sources, so another version proves anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cospace.dsl.cache import digest, read_cached, write_cached

KIND = "proof"


def recall(spec: Path, settings: Mapping[str, str], deep: bool) -> dict[str, Any] | None:
    """The answer kept for a spec, when no file that it rests on has changed; None otherwise."""
    kept = read_cached(KIND, _key(spec, settings, deep))
    if not isinstance(kept, dict) or not isinstance(kept.get("files"), dict):
        return None
    if not all(_digest_file(Path(path)) == wanted for path, wanted in kept["files"].items()):
        return None
    return kept


def keep(
    spec: Path, settings: Mapping[str, str], deep: bool, files: list[Path], space: str, report: Mapping[str, Any]
) -> None:
    """Keep an answer: `report` holds ok, proved and skipped."""
    digests = {str(path.resolve()): _digest_file(path) for path in files}
    if all(digests.values()):
        write_cached(KIND, _key(spec, settings, deep), {"files": digests, "space": space, **report})


def _key(spec: Path, settings: Mapping[str, str], deep: bool) -> str:
    from cospace.compiler.version import own_version

    return digest(own_version(), str(spec.resolve()), repr(sorted(settings.items())), str(deep))


def _digest_file(path: Path) -> str | None:
    try:
        return digest(path.read_bytes().decode("utf-8", "surrogateescape"))
    except OSError:
        return None
