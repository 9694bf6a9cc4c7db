"""The graph of an ONNX file as plain data: its nodes, the sizes of its tensors, what is constant in it.

A file is a stranger's. Nothing of it runs, nothing that it points to is read (weights in other files are left alone),
and it is read in a process of its own (`onnx_reader`), so that what it does to a parser ends there. Weights are dropped
before sizes are inferred: only how large they are is wanted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from attrs import frozen
from cospace.compiler.clock import left
from cospace.compiler.version import own_version
from cospace.dsl.cache import digest, read_cached, write_cached

MAX_BYTES = 2 << 30
"""What the format itself can hold in one file."""
SECONDS = 30.0
"""What reading one file may take, at most."""

Shape = tuple["int | str | None", ...]
"""Sizes: a number, the name of one that is left open, or None where nothing is known."""


class Unreadable(Exception):
    """A file that gives no graph; `help` says what to do."""

    def __init__(self, said: str, help: str | None = None) -> None:
        super().__init__(said)
        self.help = help


@frozen
class Node:
    """An operator applied. inputs: names of tensors, "" for one that is left out; attributes: numbers, texts, lists."""

    name: str
    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]


@frozen
class Graph:
    """inputs and outputs: of the whole graph, in order. nodes: each after what it reads, without those that read only
    constants. sizes: of every tensor that has some. held: constants, and whether they are weights (numbers that are
    multiplied, not indices and sizes)."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    sizes: Mapping[str, Shape]
    held: Mapping[str, bool]
    open: tuple[str, ...]
    """Names of sizes that the file leaves open, those that were given included."""
    why: str = ""
    """Why some sizes are not known, where ONNX's rules say so."""


def read_graph(path: Path, name: str, given: Mapping[str, int], inputs: Sequence[Sequence[int] | None]) -> Graph:
    """The graph of a file, from the cache where it was read before.

    name: of the file, in messages. given: sizes by the names that the file has for them. inputs: whole shapes, in the
    order of the file's inputs, that stand for what the file says. Raises Unreadable.
    """
    key = _key(path, name, given, inputs)
    stored = read_cached("onnx", key)
    if stored is None:
        stored = _ask(path, name, {"sizes": dict(given), "inputs": [None if s is None else list(s) for s in inputs]})
        if "unreadable" in stored:
            raise Unreadable(f"`{name}` {stored['unreadable']}", stored.get("help"))
        write_cached("onnx", key, stored)
    try:
        return _graph(stored)
    except (LookupError, TypeError, ValueError, AttributeError):
        raise Unreadable(f"`{name}` was not read as a graph") from None


def _graph(data: Mapping[str, Any]) -> Graph:
    return Graph(
        tuple(data["inputs"]),
        tuple(data["outputs"]),
        tuple(Node(n, op, tuple(i), tuple(o), dict(a)) for n, op, i, o, a in data["nodes"]),
        {k: tuple(v) for k, v in data["sizes"].items()},
        dict(data["held"]),
        tuple(data["open"]),
        str(data["why"]),
    )


def _key(path: Path, name: str, given: Mapping[str, int], inputs: Sequence[Sequence[int] | None]) -> str:
    """What the answer hangs on: the file's content and what was asked."""
    state = blake2b(digest_size=20)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Unreadable(f"`{name}` is larger than {MAX_BYTES >> 30} GiB", "keep weights in files of their own")
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                state.update(piece)
    except OSError as error:
        raise Unreadable(f"`{name}` can't be read: {os.strerror(error.errno or 0).lower()}") from None
    asked = json.dumps([sorted(given.items()), [None if s is None else list(s) for s in inputs]])
    return digest(own_version(), state.hexdigest(), asked)


def _ask(path: Path, name: str, question: Mapping[str, Any]) -> dict[str, Any]:
    """What the reader's process says of a file."""
    command = [sys.executable, "-I", "-m", "cospace.compiler.elaborate.onnx_reader", str(path)]
    seconds = min(SECONDS, left())
    try:
        child = subprocess.run(
            command, input=json.dumps(question), capture_output=True, text=True, timeout=seconds, check=False
        )
        found = json.loads(child.stdout)
    except subprocess.TimeoutExpired:
        raise Unreadable(f"`{name}` was not read within {seconds:.3g} s") from None
    except (OSError, ValueError, RecursionError):
        raise Unreadable(f"`{name}` is no ONNX model: reading it failed") from None
    if not isinstance(found, dict):
        raise Unreadable(f"`{name}` was not read as a graph")
    return found


__all__ = ["Graph", "Node", "Shape", "Unreadable", "read_graph"]
