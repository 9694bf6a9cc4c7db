"""What loading takes of a training step: scikit-learn's digits, and folders of images.

Blocks of a small network learn, the images moved and mirrored anew in each epoch, on the device and in the arithmetic
that a search would choose. Loading is the time that a step waits for its batch, as a share of all the time of an epoch;
reading and decoding a folder, once and before the first step, is said apart.

    python benchmarks/loading.py [--sizes 32 64 128] [--batch 64] [--seconds 5]
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import torch
from cospace.compiler.driver import compile_text
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore
from cospace.runtime.network import fresh_tensors, leaves_of
from cospace.runtime.step import gradients_of
from cospace.runtime.train import read_train_settings
from PIL import Image

SEED = 0
CLASSES, IMAGES = 4, 64
"""Of a folder: classes, and images to learn from in each."""

TEXT = """space loading
import std.tasks
import std.images
import std.learn
photos = TASK
network net(x: photos.pixels) -> tensor[photos.classes] {
    x = conv_norm(x, out = 16)
    x = mbconv(x, out = 24, expansion = 3, stride = 2)
    x = mbconv(x, out = 24, expansion = 3)
    x = mbconv(x, out = 40, expansion = 3, stride = 2)
    linear(global_pool(x), out = photos.classes)
}
precision of net { both = 8 bit }
minimize error(photos)
train of net { epochs = 1; optimiser = sgd(0.025); loss = cross_entropy() }
"""


def draw(folder: Path, size: int) -> None:
    """Photographs of noise, a half larger than they are read."""
    random = np.random.default_rng(SEED)
    for part, count in (("train", IMAGES), ("test", 8)):
        for of in range(CLASSES):
            place = folder / "photos" / part / str(of)
            place.mkdir(parents=True)
            for n in range(count):
                coarse = random.integers(0, 256, (size // 4, size // 4, 3), np.uint8)
                Image.fromarray(coarse).resize((size * 3 // 2,) * 2).save(place / f"{n}.jpg")


def prepared(task: str, data: Path | None) -> Run:
    found = compile_text(TEXT.replace("TASK", task))
    if found.space is None:
        raise SystemExit("\n".join(d.message for d in found.diagnostics))
    return prepare(found.space, SEED, data, ignore, threading.Event())


def wait(run: Run) -> None:
    if run.device.type == "cuda":
        torch.cuda.synchronize(run.device)


def measure(run: Run, size: int, seconds: float) -> tuple[int, float, float]:
    """Steps that were taken in about so many seconds of epochs, all their time, and what of it loading took."""
    subnets = run.planner.subnets({})
    settings = read_train_settings(run, run.stage("train"))
    tensors = fresh_tensors(subnets.values(), SEED, run.device)
    leaves = leaves_of(tensors)
    states = [[torch.zeros_like(p, requires_grad=False) for _ in range(settings.optimiser.slots)] for p in leaves]
    steps, loading, began, epoch = 0, 0.0, time.perf_counter(), -1
    while epoch < 0 or time.perf_counter() - began < seconds:
        batches = run.task.batches("train", size, SEED + epoch)
        while True:
            start = time.perf_counter()
            batch = next(batches, None)
            loading += time.perf_counter() - start
            if batch is None:
                break
            _, gradients = gradients_of(subnets, tensors, batch, settings.loss, 0, bfloat16=run.bfloat16)
            steps += 1
            for leaf, gradient, state in zip(leaves, gradients, states, strict=True):
                if gradient is not None:
                    settings.optimiser.update(leaf.detach(), gradient, state, steps, 0)
        wait(run)
        epoch += 1
        if epoch == 0:  # the first warms up
            steps, loading, began = 0, 0.0, time.perf_counter()
    return steps, time.perf_counter() - began, loading


def report(name: str, run: Run, size: int, seconds: float, read: str) -> None:
    steps, whole, loading = measure(run, size, seconds)
    figures = f"{1e3 * whole / steps:12.2f}{1e3 * loading / steps:12.3f}{loading / whole:10.2%}"
    print(f"{name:24}{figures}  {read}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128], help="pixels a side, of folders")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0, help="of training, at least, for each line")
    options = parser.parse_args()
    run = prepared("digits(augment = true)", None)
    arithmetic = "mixed precision" if run.bfloat16 else "float32"
    print(f"{run.device.type}, {arithmetic}, batch {options.batch}")
    print(f"{'data':24}{'step [ms]':>12}{'loading':>12}{'share':>10}")
    report("digits, 8 x 8", run, options.batch, options.seconds, "")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as folder:
            draw(Path(folder), size)
            start = time.perf_counter()
            run = prepared(f'image_folder("photos", classes = {CLASSES}, size = {size})', Path(folder))
            each = 1e3 * (time.perf_counter() - start) / (CLASSES * (IMAGES + 8))
        report(f"folder, {size} x {size}", run, options.batch, options.seconds, f"read once: {each:.2f} ms an image")


if __name__ == "__main__":
    main()
