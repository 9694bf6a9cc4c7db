"""Classification of images: scikit-learn's digits; MNIST and CIFAR-10 from their archives or an `.npz` file.

An npz file holds `x_train`, `x_test` (uint8: images x height x width, or with channels last), `y_train` and `y_test`.
Nothing is unpickled.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from attrs import frozen
from cospace.compiler.space.model import Task
from cospace.runtime.devices import fits, send
from cospace.runtime.registry import refuse, register
from cospace.runtime.tasks.base import Batch, compare_facts, halve
from torch import Tensor

Arrays = dict[str, np.ndarray]
KEYS = ("x_train", "y_train", "x_test", "y_test")
SPLIT_SEED = 0
STEP, LOOK = 64, 500
"""Images of a step and of a look, where the text does not say."""
HELD = 4
"""One in so many training images is held back: half of these steer the search, half choose."""
REPORTED = 450
"""Of the digits, which come without a split."""
MOVED = 8
"""An image is moved by at most one in so many of its rows and columns."""
PIXEL = 16.0
"""The largest value of a pixel of `digits`."""


@frozen(eq=False)
class Images:
    """Images of one size in bytes, (n, channels, height, width), and what makes them of mean 0 and deviation 1.

    All of them lie on the device where they fit, else on the host, from where a batch goes over while the step before
    it runs. indices: of each split. moved: by how many pixels at most in training; mirrored: whether left and right may
    swap.
    """

    name: str
    task: str
    images: Tensor
    targets: Tensor
    indices: Mapping[str, Tensor]
    mean: Tensor
    deviation: Tensor
    moved: int
    mirrored: bool
    classes: int
    facts: Mapping[str, int]
    left_out: tuple[str, ...] = ()

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {"pixels": tuple(self.images.shape[1:])}

    def batches(self, split: str, size: int = 0, seed: int | None = None) -> Iterator[Batch]:
        indices, total = self.indices[split], len(self.indices["train"])
        random = None
        if seed is not None:
            random = torch.Generator().manual_seed(seed)
            indices = indices[torch.randperm(len(indices), generator=random)]
        size, device = size or (LOOK if seed is None else STEP), self.mean.device
        here, there = (indices.to(t.device).split(size) for t in (self.images, self.targets))
        for some, at in zip(here, there, strict=True):
            pixels = (send(self.images[some], device).float() - self.mean) / self.deviation
            if random is not None and split == "train":
                pixels = self._augment(pixels, random)
            yield Batch({(self.task, "pixels"): pixels}, self.targets[at], None, len(at) / total)

    def _augment(self, pixels: Tensor, random: torch.Generator) -> Tensor:
        """Each image moved and mirrored on its own, zeros where nothing was. What is drawn is drawn on the host."""
        if self.moved:
            n, channels, height, width = pixels.shape
            down, right = send(torch.randint(0, 2 * self.moved + 1, (2, n), generator=random), pixels.device)
            rows = down[:, None] + torch.arange(height, device=pixels.device)
            columns = right[:, None] + torch.arange(width, device=pixels.device)
            padded = F.pad(pixels, (self.moved,) * 4)
            image = torch.arange(n, device=pixels.device)[:, None, None, None]
            channel = torch.arange(channels, device=pixels.device)[None, :, None, None]
            pixels = padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]
        if self.mirrored:
            flipped = send(torch.rand(len(pixels), generator=random), pixels.device) < 0.5
            pixels = torch.where(flipped[:, None, None, None], pixels.flip(3), pixels)
        return pixels


def arguments_of(task: Task) -> dict[str, Any]:
    """What text gives to a task."""
    return {name: e.value for name, e in task.arguments if e.is_const}


def load_arrays(
    task: Task, arrays: Arrays, device: torch.device, mirrored: bool, left_out: tuple[str, ...] = ()
) -> Images:
    """The task of some images and labels; a quarter of those to learn from is held back to steer and to choose.

    Raises:
        SpecError: CS703 where there are other classes than the text says.
    """
    said = arguments_of(task)
    every = torch.from_numpy(np.concatenate([arrays["x_train"], arrays["x_test"]]))
    every = every[:, None] if every.dim() == 3 else every.permute(0, 3, 1, 2)
    asked = said.get("size")
    size = int(asked) if isinstance(asked, Fraction) else every.shape[2]
    if size != every.shape[2]:
        every = F.interpolate(every.float(), (size, size), mode="bilinear", antialias=True).round().clamp(0, 255).byte()
    learned = len(arrays["x_train"])
    order = torch.randperm(learned, generator=torch.Generator().manual_seed(SPLIT_SEED))
    held = learned // HELD
    search, choice = halve(order[:held].sort().values, SPLIT_SEED)
    train = order[held:].sort().values
    targets = torch.from_numpy(np.concatenate([arrays["y_train"], arrays["y_test"]]).astype(np.int64))
    indices = {"train": train, "search": search, "choice": choice, "report": torch.arange(learned, len(every))}
    facts = {"classes": int(targets.max()) + 1, "examples": learned}
    compare_facts(task, {"classes": facts["classes"]})  # part of a data set is one to learn from, too
    seen = every[train].float()
    mean, deviation = seen.mean((0, 2, 3), keepdim=True), seen.std((0, 2, 3), keepdim=True).clamp_min(1e-6)
    moved = size // MOVED if said.get("augment") is True else 0
    place = device if fits(every.numel(), device) else torch.device("cpu")
    return Images(
        task.source.split(".")[1], task.name, every.contiguous().to(place), targets.to(device), indices,
        mean.to(device), deviation.to(device), moved, mirrored and moved > 0, facts["classes"], facts, left_out,
    )  # fmt: skip


@register("tasks.digits")
def load_digits(task: Task, data: Path | None, device: torch.device) -> Images:
    """scikit-learn's 1,797 digits; a fixed draw of them reports."""
    from sklearn.datasets import load_digits as read

    bunch = read()
    order = np.random.RandomState(SPLIT_SEED).permutation(len(bunch.target))
    x = np.round(bunch.images * (255 / PIXEL)).astype(np.uint8)[order]
    y = bunch.target[order]
    arrays = {"x_train": x[:-REPORTED], "y_train": y[:-REPORTED], "x_test": x[-REPORTED:], "y_test": y[-REPORTED:]}
    return load_arrays(task, arrays, device, mirrored=False)


@register("tasks.mnist")
def load_mnist(task: Task, data: Path | None, device: torch.device) -> Images:
    """`train-images-idx3-ubyte` and its three companions, packed or not, or an npz."""
    return load_arrays(task, _find(task, data, "mnist", _read_idx), device, mirrored=False)


@register("tasks.cifar10")
def load_cifar10(task: Task, data: Path | None, device: torch.device) -> Images:
    """The binary version, `cifar-10-binary.tar.gz` or unpacked, or an npz."""
    return load_arrays(task, _find(task, data, "cifar10", _read_cifar10), device, mirrored=True)


def _find(task: Task, data: Path | None, name: str, read: Callable[[Path], Arrays | None]) -> Arrays:
    """The arrays of a data set in the data folder.

    Raises:
        SpecError: CS702 when it is not there, or can't be read.
    """
    if data is None:
        raise refuse("CS702", f"the data set `{name}` does not come with cospace", task.span, _ways(name))
    folder = Path(data)
    try:
        arrays = read(folder)
        if arrays is None:
            arrays = next(filter(None, map(_read_npz, sorted(folder.glob(f"{name}*.npz")))), None)
        if arrays is not None:
            _check(arrays)
    except (OSError, ValueError, EOFError, tarfile.TarError, zlib.error) as error:
        raise refuse("CS702", f"`{name}` in {folder} cannot be read: {error}", task.span, _ways(name)) from error
    if arrays is None:
        raise refuse("CS702", f"{folder} has no `{name}`", task.span, _ways(name))
    return arrays


_ARCHIVES = {
    "mnist": "train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte "
    "(.gz or not)",
    "cifar10": "cifar-10-binary.tar.gz, or what it unpacks to",
}


def _ways(name: str) -> str:
    return (
        f"--data FOLDER, where FOLDER holds {_ARCHIVES[name]}, or {name}.npz with {', '.join(KEYS)}; "
        "`digits()` needs no data"
    )


def _read_npz(path: Path) -> Arrays | None:
    with np.load(path, allow_pickle=False) as stored:
        return {key: stored[key] for key in KEYS} if set(KEYS) <= set(stored.files) else None


def _read_idx(folder: Path) -> Arrays | None:
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    places = [folder, folder / "MNIST" / "raw", folder / "mnist"]
    found: list[np.ndarray] = []
    for name in names:
        path = next((p for f in places for e in ("", ".gz") if (p := f / f"{name}-ubyte{e}").is_file()), None)
        if path is None:
            return None
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        found.append(_of_idx(content, path.name))
    return dict(zip(KEYS, found, strict=True))


def _of_idx(content: bytes, name: str) -> np.ndarray:
    """An array of bytes as its first bytes say: two zeros, 8 (bytes), the number of axes, their sizes."""
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"{name} does not begin as a file of bytes does")
    axes = content[3]
    sizes = np.frombuffer(content, ">u4", axes, 4).astype(int)
    return np.frombuffer(content, np.uint8, int(sizes.prod()), 4 + 4 * axes).reshape(sizes)


def _read_cifar10(folder: Path) -> Arrays | None:
    names = [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    unpacked = next((f for f in (folder / "cifar-10-batches-bin", folder) if (f / names[0]).is_file()), None)
    archive = folder / "cifar-10-binary.tar.gz"
    if unpacked is not None:
        parts = [(unpacked / name).read_bytes() for name in names]
    elif archive.is_file():
        with tarfile.open(archive) as tar:
            files = [tar.extractfile(f"cifar-10-batches-bin/{name}") for name in names]
            parts = [b"" if f is None else f.read() for f in files]
    else:
        return None
    rows = [np.frombuffer(part, np.uint8).reshape(-1, 1 + 3 * 32 * 32) for part in parts]
    train, test = np.concatenate(rows[:-1]), rows[-1]
    x, y = zip(*((r[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), r[:, 0]) for r in (train, test)), strict=True)
    return {"x_train": x[0], "y_train": y[0], "x_test": x[1], "y_test": y[1]}


def _check(arrays: Arrays) -> None:
    """Raise ValueError where the arrays are no images with labels."""
    shapes = set()
    for part in ("train", "test"):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        if x.dtype != np.uint8 or x.ndim not in (3, 4) or x.shape[1] != x.shape[2] or (x.ndim == 4 and x.shape[3] > 4):
            raise ValueError(f"x_{part} must hold square images of bytes, channels last")
        if y.shape != (len(x),) or not np.issubdtype(y.dtype, np.integer) or len(y) < 2 * HELD or y.min() < 0:
            raise ValueError(f"y_{part} must hold the class of each of a few images or more")
        shapes.add(x.shape[1:])
    if len(shapes) > 1:
        raise ValueError("the images to report on have another shape than those to learn from")


__all__ = ["Images", "arguments_of", "load_arrays", "load_cifar10", "load_digits", "load_mnist"]
