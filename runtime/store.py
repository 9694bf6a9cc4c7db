"""Files of a run: written whole or not at all, checked when read back. Tensors as safetensors, the rest as JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

KEPT = 2
"""Checkpoints that stay on disk: the newest, and the one to fall back on."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file beside its place, flush it to the disk, then move it there.

    Raises:
        OSError: with the file's name, when the disk is full or cannot be written; nothing is left beside.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(beside, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):  # a write that fails does not say where
            error.filename = str(path)
        raise


def write_json(path: Path, value: Any) -> None:
    write_bytes(path, (json.dumps(value, indent=1, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """A JSON file's value. Raises ValueError or OSError when it cannot be read."""
    return json.loads(path.read_text("utf-8"))


class Checkpoints:
    """Numbered checkpoints in one folder. Each is two files; the JSON holds the tensors' hash and its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, state: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> None:
        """Add a checkpoint and drop the oldest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        number = max(self._numbers(), default=0) + 1
        packed = save_tensors({k: np.ascontiguousarray(v) for k, v in tensors.items()})
        body = {"schema": 1, "tensors": hashlib.sha256(packed).hexdigest(), "state": dict(state)}
        text = json.dumps(body, sort_keys=True)
        write_bytes(self.folder / f"{number:06}.safetensors", packed)
        sealed = json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "body": body}, sort_keys=True)
        write_bytes(self.folder / f"{number:06}.json", sealed.encode())
        for old in sorted(self._numbers())[:-KEPT]:
            for kind in ("json", "safetensors"):
                (self.folder / f"{old:06}.{kind}").unlink(missing_ok=True)
        for torn in self.folder.glob(".*"):  # of a run that was killed while it wrote
            torn.unlink(missing_ok=True)

    def load(self) -> tuple[dict[str, Any], dict[str, np.ndarray], list[str]] | None:
        """State and tensors of the newest checkpoint that is whole, and what is wrong with those passed over."""
        refused: list[str] = []
        for number in sorted(self._numbers(), reverse=True):
            try:
                state, tensors = self._read(number)
            except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
                refused.append(f"checkpoint {number} is damaged ({str(error) or type(error).__name__}); passed over")
                continue
            return state, tensors, refused
        if refused:
            return {}, {}, refused
        return None

    def _read(self, number: int) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        sealed = read_json(self.folder / f"{number:06}.json")
        body = sealed["body"]
        if hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest() != sealed["sha256"]:
            raise ValueError("its text does not match its checksum")
        packed = (self.folder / f"{number:06}.safetensors").read_bytes()
        if hashlib.sha256(packed).hexdigest() != body["tensors"]:
            raise ValueError("its tensors do not match their checksum")
        return body["state"], load_tensors(packed)

    def _numbers(self) -> list[int]:
        if not self.folder.is_dir():
            return []
        return [int(p.stem) for p in self.folder.glob("*.json") if p.stem.isdigit()]
