"""Images in a folder, one folder a class: `NAME/train/CLASS/…` to learn from and `NAME/test/CLASS/…` to report on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from cospace.compiler.space.model import Task
from cospace.runtime.registry import refuse, register
from cospace.runtime.tasks.image import Images, arguments_of, load_arrays
from PIL import Image, UnidentifiedImageError

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")
SHOWN = 3
"""Broken files that are named."""


@register("tasks.folder")
def load_folder(task: Task, data: Path | None, device: torch.device) -> Images:
    """All images of a folder as bytes in memory: cut to a square about the middle, then of the size that text says.

    Files that cannot be read are left out and counted.

    Raises:
        SpecError: CS702 for a folder that is not there, lacks a class or images;
        CS703 where there are other than as many classes as the text says.
    """
    said = arguments_of(task)
    name, size, gray = str(said["name"]), int(said["size"]), said.get("channels") == 1
    ways = f"--data FOLDER, where FOLDER/{name} holds train/CLASS/*.png and test/CLASS/*.png (or .jpg, …)"
    if data is None:
        raise refuse("CS702", f"the images `{name}` do not come with cospace", task.span, ways)
    root = Path(data) / name
    classes = _folders(root / "train")
    if not classes or _folders(root / "test") != classes:
        lacks = "folders of classes" if not classes else "the same classes in `train` and in `test`"
        raise refuse("CS702", f"{root} lacks {lacks}", task.span, ways)
    if len(classes) != said["classes"]:
        more = f"{root} has {len(classes)} classes, the text says {said['classes']}"
        raise refuse("CS703", more, task.span, f"they are {', '.join(classes)}")
    arrays: dict[str, np.ndarray] = {}
    broken: list[Path] = []
    for part in ("train", "test"):
        images, labels = [], []
        for label, of in enumerate(classes):
            for path in sorted(p for p in (root / part / of).iterdir() if p.suffix.lower() in ENDINGS):
                image = _read(path, size, gray)
                if image is None:
                    broken.append(path)
                else:
                    images.append(image)
                    labels.append(label)
        if len(set(labels)) < len(classes):
            empty = next(of for n, of in enumerate(classes) if n not in labels)
            raise refuse("CS702", f"{root / part / empty} holds no image that can be read", task.span, ways)
        arrays |= {f"x_{part}": np.stack(images), f"y_{part}": np.array(labels)}
    return load_arrays(task, arrays, device, said.get("mirrored") is True, _counted(broken, root))


def _counted(broken: Sequence[Path], root: Path) -> tuple[str, ...]:
    """What is said of images that cannot be read."""
    told = ", ".join(str(p.relative_to(root)) for p in broken[:SHOWN]) + (", …" if len(broken) > SHOWN else "")
    images = "1 image" if len(broken) == 1 else f"{len(broken)} images"
    return (f"{images} of {root} cannot be read: {told}",) if broken else ()


def _folders(path: Path) -> list[str]:
    return sorted(p.name for p in path.iterdir() if p.is_dir()) if path.is_dir() else []


def _read(path: Path, size: int, gray: bool) -> np.ndarray | None:
    """An image as bytes, (size, size) or (size, size, 3); None where it is none."""
    try:
        with Image.open(path) as image:
            plain = image.convert("L" if gray else "RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    side = min(plain.size)
    left, top = (plain.width - side) // 2, (plain.height - side) // 2
    cut = plain.crop((left, top, left + side, top + side))
    return np.asarray(cut.resize((size, size), Image.Resampling.BILINEAR), np.uint8)


__all__ = ["load_folder"]
