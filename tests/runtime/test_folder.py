"""Images in folders: read, cut to a square, broken ones left out and counted or refused."""

from __future__ import annotations

import threading
from pathlib import Path

import cospace
import numpy as np
import pytest
from cospace.cli.main import app
from cospace.compiler.driver import compile_text
from cospace.dsl.diagnostics import SpecError
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import Event
from PIL import Image
from typer.testing import CliRunner

TEXT = """space shapes
import std.tasks
import std.images
import std.learn
photos = image_folder("shapes", classes = 2, size = 6, channels = CHANNELS)
network net(x: photos.pixels) -> tensor[photos.classes] { linear(flatten(x), out = photos.classes) }
minimize error(photos)
search {
    epochs = 1; candidates = 1; changes = 0; rounds = 0; pool = 1; loss = cross_entropy(); optimiser = sgd(0.1)
}
train of net { epochs = 1; seeds = 1; loss = cross_entropy(); optimiser = sgd(0.1) }
"""


def draw(folder: Path, images: int = 8) -> None:
    for part in ("train", "test"):
        for of, shade in (("dark", 10), ("light", 240)):
            place = folder / "shapes" / part / of
            place.mkdir(parents=True)
            for n in range(images):
                pixels = np.full((8, 12, 3), shade, np.uint8)
                pixels[:, [0, 1, 10, 11]] = 127  # outside of the square
                Image.fromarray(pixels).save(place / f"{n}.png")


def load(folder: Path | None, channels: int = 3, strict: bool = False) -> tuple[Run, list[str]]:
    told: list[str] = []

    def observe(event: Event) -> None:
        told.append(str(event.values.get("text")))

    result = compile_text(TEXT.replace("CHANNELS", str(channels)))
    assert result.space is not None, [d.message for d in result.diagnostics]
    return prepare(result.space, 0, folder, observe, threading.Event(), strict), told


@pytest.mark.parametrize("channels", [1, 3])
def test_a_folder_is_read_with_a_class_for_each_of_its_folders(tmp_path: Path, channels: int) -> None:
    draw(tmp_path)
    run, told = load(tmp_path, channels=channels)
    assert not told and run.task.shapes == {"pixels": (channels, 6, 6)}
    sizes = [sum(len(b.targets) for b in run.task.batches(s)) for s in ("train", "search", "choice", "report")]
    assert sizes == [12, 2, 2, 16]
    (batch,) = run.task.batches("report")
    pixels = batch.fields["photos", "pixels"]
    assert {(float(p.mean()) > 0, int(t)) for p, t in zip(pixels, batch.targets, strict=True)} == {
        (False, 0),
        (True, 1),
    }
    assert all(float(p.std()) < 1e-5 for p in pixels)  # the gray sides are cut off


def test_broken_images_are_counted_or_refused(tmp_path: Path) -> None:
    draw(tmp_path)
    (tmp_path / "shapes/train/dark/8.png").write_bytes(b"no image")
    whole = (tmp_path / "shapes/test/light/0.png").read_bytes()
    (tmp_path / "shapes/test/light/9.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "shapes/test/light/notes.txt").write_text("no image, and not meant to be one")
    run, told = load(tmp_path)
    assert len(told) == 1 and "2 images" in told[0] and "train/dark/8.png" in told[0] and "test/light/9.png" in told[0]
    assert sum(len(b.targets) for b in run.task.batches("report")) == 16
    with pytest.raises(SpecError) as caught:
        load(tmp_path, strict=True)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "CS702" and "2 images" in diagnostic.message


def test_strict_is_said_on_the_command_line_and_kept(tmp_path: Path) -> None:
    draw(tmp_path)
    spec, out, stop = tmp_path / "shapes.cospace", tmp_path / "out", threading.Event()
    spec.write_text(TEXT.replace("CHANNELS", "3"))
    stop.set()
    assert not cospace.load(spec).search(out, data=tmp_path, stop=stop, strict=True).finished
    (tmp_path / "shapes/train/dark/8.png").write_bytes(b"no image")

    def said(*words: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, [str(w) for w in words])
        return done.exit_code, " ".join(done.output.split())

    for words in (("resume", out), ("search", spec, "--data", tmp_path, "--strict", "--out", tmp_path / "other")):
        code, text = said(*words)
        assert code == 1 and "CS702" in text and "1 image of" in text and "train/dark/8.png" in text
    assert not (tmp_path / "other").exists()
    for words in (("search", spec, "--data", tmp_path, "--out", out, "--overwrite"), ("run", out)):
        code, text = said(*words)
        assert code == 0 and "left out: 1 image of" in text and "train/dark/8.png" in text
    assert "Left out of the data: 1 image of" in (out / "report.html").read_text()
    assert said("run", out, "--strict")[0] == 1


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="CS702"):
        load(None)
    with pytest.raises(SpecError, match="folders of classes"):
        load(tmp_path)
    draw(tmp_path)
    (tmp_path / "shapes/train/third").mkdir()
    with pytest.raises(SpecError, match="the same classes"):
        load(tmp_path)
    (tmp_path / "shapes/test/third").mkdir()
    with pytest.raises(SpecError, match="CS703"):
        load(tmp_path)  # three classes, of two that the text says
    for part in ("train", "test"):
        (tmp_path / "shapes" / part / "third").rmdir()
    for path in (tmp_path / "shapes/test/light").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(SpecError, match="no image that can be read"):
        load(tmp_path)
