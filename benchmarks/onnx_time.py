"""How long networks from ONNX files take to compile: ResNet-18 and an encoder of the size of BERT-base.

First with an empty cache folder (a process of its own reads the file and infers sizes), then as it is kept. Each with a
systolic array to serve its works; the best of three runs.

    python benchmarks/onnx_time.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from cospace.compiler.driver import compile_file

from tests.compiler.onnx_models import resnet18, save, transformer

SPEC = """space timed
import std.onnx
import std.learn
import std.systolic
network net{} from "model.onnx"
precision of net {{ both = 8 bit }}
chip = systolic(buffer = 2 MiB)
minimize chip.energy * chip.latency
"""
MODELS = {
    "ResNet-18": (resnet18, ""),
    "encoder, 12 layers of 768": (transformer, "(batch = 1, sequence = 128)"),
}


def main() -> None:
    print("| network | operators | works | first | kept |\n| --- | --- | --- | --- | --- |")
    for name, (make, given) in MODELS.items():
        with tempfile.TemporaryDirectory() as folder:
            model = make()
            save(model, Path(folder) / "model.onnx")
            spec = Path(folder) / "spec.cospace"
            spec.write_text(SPEC.format(given), encoding="utf-8")
            first, kept, works = [], [], 0
            for run in range(3):
                os.environ["COSPACE_CACHE"] = str(Path(folder) / f"cache{run}")
                for times in (first, kept):
                    begun = time.perf_counter()
                    space = compile_file(spec).space
                    times.append(time.perf_counter() - begun)
                    assert space is not None
                    works = len(space.works)
            print(f"| {name} | {len(model.graph.node)} | {works} | {min(first):.2f} s | {min(kept):.2f} s |")


if __name__ == "__main__":
    main()
