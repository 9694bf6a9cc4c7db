"""Parked weights: their room is taken at once, refusals are in words, nothing is left behind. Tensors are made where
the run is."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.joint import Joint, begin_joint
from cospace.runtime.parking import FIRST, Parking
from cospace.runtime.store import Checkpoints, write_bytes
from cospace.runtime.supernet import Supernet
from cospace.runtime.train import read_train_settings, train
from spaces import make_space


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file grows beyond a size: to whoever writes, a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """File descriptors of temporary files that are made meanwhile."""
    seen: list[int] = []
    make = tempfile.TemporaryFile

    def keep(*args: object, **named: object) -> object:
        file = make(*args, **named)  # type: ignore[call-overload]
        seen.append(os.dup(file.fileno()))
        return file

    monkeypatch.setattr(tempfile, "TemporaryFile", keep)
    yield seen
    for fd in seen:
        os.close(fd)


@pytest.mark.parametrize("called", [True, False])
def test_room_is_taken_when_an_array_is_made(monkeypatch: pytest.MonkeyPatch, called: bool) -> None:
    if not called:
        monkeypatch.delattr(os, "posix_fallocate")
    with watched(monkeypatch) as files:
        parking = Parking()
        array = parking.take((3, FIRST))
        assert array.shape == (3, FIRST) and not array.any()
        assert [os.fstat(fd).st_blocks * 512 >= array.nbytes for fd in files] == [True]


def test_arrays_do_not_overlap_and_their_room_is_given_back() -> None:
    parking = Parking()
    arrays = [parking.take(shape) for shape in ((), (7,), (3, 5), (FIRST,), (2, 2, 2))]
    for i, array in enumerate(arrays):
        array[...] = i + 1
    assert all((array == i + 1).all() for i, array in enumerate(arrays))
    assert parking.disk_bytes == FIRST + 4 * FIRST + 4 * FIRST
    del arrays[3], array
    assert parking.disk_bytes == FIRST + 4 * FIRST


def test_a_full_disk_is_refused_in_words() -> None:
    with largest_file(FIRST // 2), pytest.raises(SpecError) as caught:
        Parking().take((4,))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "CS711" and "File too large" in diagnostic.message and "TMPDIR" in (diagnostic.help or "")


def test_a_folder_that_is_not_there_is_refused_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with pytest.raises(SpecError, match=r"CS711.*missing: No such file"):
        Parking().take((4,))


def test_a_result_that_does_not_fit_names_its_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    with largest_file(100), pytest.raises(OSError, match="File too large") as caught:
        write_bytes(tmp_path / "a", bytes(10_000))
    assert caught.value.filename == str(tmp_path / "a")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"old"}


def test_what_a_killed_run_left_half_written_goes_with_the_next_checkpoint(tmp_path: Path) -> None:
    (tmp_path / ".000001.safetensors.7").write_bytes(b"half")
    Checkpoints(tmp_path).save({}, {})
    assert {p.name for p in tmp_path.iterdir()} == {"000001.json", "000001.safetensors"}


SLACK = 1e-5 if torch.cuda.is_available() else 0.0
"""Of weights after a few steps: a GPU sums sparse products in an order of the moment."""


def begin() -> Joint:
    run = load()
    return begin_joint(run, run.stage("search"), 0)


def load() -> Run:
    return prepare(make_space(widths=(4, 8), epochs=4, train_epochs=2), 0, None, ignore, threading.Event())


KILLED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # what was started in the background begins with it ignored
sys.path.insert(0, {tests!r})
from test_parking import begin
joint = begin()
for _ in range(3):
    joint.advance()
assert joint.supernet.disk_bytes and joint.supernet.banks
os.kill(os.getpid(), signal.SIG{signal})
"""


@pytest.mark.parametrize("name", ["KILL", "INT"])
def test_a_run_that_is_killed_leaves_no_temporary_file(tmp_path: Path, name: str) -> None:
    code = KILLED.format(tests=str(Path(__file__).parent), signal=name)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True
    )
    by_signal = -getattr(signal, f"SIG{name}")  # an interrupt may also end Python as an exception does
    assert done.returncode in (by_signal, 1 if name == "INT" else by_signal), done.stderr.decode()
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == []


def test_parked_and_unparked_weights_train_alike() -> None:
    parked, plain = begin(), begin()
    plain.supernet = Supernet(0, plain.run.device, park=False)
    for joint in (parked, plain):
        torch.manual_seed(0)
        for _ in range(3):
            joint.advance()
    assert parked.supernet.disk_bytes >= parked.supernet.bank_bytes == plain.supernet.resting_bytes > 0
    assert parked.supernet.resting_bytes == plain.supernet.disk_bytes == 0
    for key, bank in parked.supernet.banks.items():
        assert np.allclose(bank.values, plain.supernet.banks[key].values, rtol=0, atol=SLACK)


def test_every_tensor_is_made_on_the_device_of_the_run() -> None:
    """With another default device: what is made without saying where would lie there and not mix."""
    found = []
    for default in ("cpu", "meta"):
        run = load()
        torch.manual_seed(0)
        with torch.device(default):
            joint = begin_joint(run, run.stage("search"), 0)
            told = [joint.advance() for _ in range(3)]
            subnets = run.planner.subnets(run.costs.decode(joint.draw(1)[0]))
            trained = train(run, subnets, read_train_settings(run, run.stage("train")), 0)
        found.append((told, {n: p.tolist() for n, p in trained.tensors.items()}))
    (told, weights), (other_told, others) = found
    assert len(told) == len(other_told) and weights.keys() == others.keys()
    for name, values in weights.items():
        assert np.allclose(values, others[name], rtol=0, atol=SLACK)
    assert told == other_told or SLACK
