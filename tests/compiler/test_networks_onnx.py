"""Networks from ONNX files: costs against the same network in the standard library, and what each operator asks for."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cospace.compiler.cost import breakdown
from cospace.compiler.driver import Compiled, compile_file
from cospace.compiler.engines.best import best
from cospace.compiler.space.model import Space

from tests.pace import at_most

pytest.importorskip("onnx", reason="CI installs onnx; without it nothing here says whether ONNX files are read")

from tests.compiler.onnx_models import Builder, resnet18, save, transformer
from tests.compiler.test_networks_table import STANDARD, costed, numbers


def read(folder: Path, model: Any, given: str = "", text: str = "") -> Compiled:
    save(model, folder / "model.onnx")
    spec = folder / "spec.cospace"
    spec.write_text(f'space s\nimport std.onnx\nimport std.works\n{text}\nnetwork net{given} from "model.onnx"\n')
    return compile_file(spec)


def works(folder: Path, model: Any, given: str = "", text: str = "") -> dict[str, tuple[str, dict[str, int], int]]:
    """Path -> kind, dimensions, how often; of an accelerator that serves all kinds."""
    kinds = ("matmul", "conv", "dwconv", "elementwise")
    text += "\naccelerator chip {" + "; ".join(f"on {k}() {{ cycles = 1 }}" for k in kinds) + "}\n"
    found = read(folder, model, given, text)
    assert found.space is not None, [f"{d.code} {d.message}" for d in found.diagnostics]
    plain: Callable[[Any], int] = lambda e: int(e.number)  # noqa: E731
    return {w.path: (w.kind, {k: plain(e) for k, e in w.dims}, plain(w.times)) for w in found.space.works}


# ---- whole networks


@pytest.mark.parametrize("name", ["systolic", "loop_nest"])
def test_resnet18_costs_what_the_standard_library_s_does(name: str, tmp_path: Path) -> None:
    save(resnet18(), tmp_path / "resnet18.onnx")
    network = 'network net from "resnet18.onnx"'
    spaces = [costed(t, name, tmp_path) for t in (f"import std.onnx(vectors = false)\n{network}", STANDARD)]
    points = [best(s).designs[0] for s in spaces]
    assert points[0] == points[1]
    assert sorted(numbers(spaces[0], points[0])) == sorted(numbers(spaces[1], points[1]))
    shown = [breakdown(s, p) for s, p in zip(spaces, points, strict=True)]
    assert shown[0]["objectives"] == shown[1]["objectives"]
    assert shown[0]["quantities"] == shown[1]["quantities"]
    assert shown[0]["works"][0]["layer"] == "net.Conv[/conv1/Conv]"
    whole = costed(f"import std.onnx\n{network}", name, tmp_path)
    every = numbers(whole, points[0])
    assert sorted(w for w in every if w[0] != "elementwise") == sorted(numbers(spaces[1], points[1]))
    assert sum(w[0] == "elementwise" for w in every) == 8 + 1, "residual additions and the pool"


def test_a_batch_is_costed(tmp_path: Path) -> None:
    one, eight = (works(tmp_path, resnet18("n"), f"(n = {n})") for n in (1, 8))
    assert one.keys() == eight.keys()
    for path, (kind, dims, times) in one.items():
        if kind == "conv":
            assert eight[path] == (kind, dims, 8 * times)
        elif kind == "matmul":
            assert eight[path] == (kind, {**dims, "m": 8 * dims["m"]}, times)
        else:
            assert all(eight[path][1][k] == 8 * dims[k] for k in ("reads", "writes", "steps"))


def test_an_encoder_of_berts_size(tmp_path: Path) -> None:
    model = transformer()
    found = works(tmp_path, model, "(batch = 2, sequence = 128)")
    products = [(d, t) for k, d, t in found.values() if k == "matmul"]
    macs = sum(d["m"] * d["k"] * d["n"] * t for d, t in products)
    assert macs == 12 * (2 * 128 * 12 * 768**2 + 2 * 2 * 128**2 * 768)
    assert found["net.MatMul[/layer.0/scores].matmul"] == ("matmul", {"m": 128, "k": 64, "n": 128}, 2 * 12)
    assert found["net.MatMul[/layer.0/query/MatMul].matmul"] == ("matmul", {"m": 256, "k": 768, "n": 768}, 1)
    assert found["net.Softmax[/layer.0/Softmax].elementwise"][1]["steps"] == 5 * 2 * 12 * 128 * 128
    assert not any("Shape" in path or "Concat" in path for path in found), "sizes are computed when compiling"
    begun = time.perf_counter()
    read(tmp_path, model, "(batch = 1, sequence = 384)")
    assert time.perf_counter() - begun < at_most(3)


# ---- operators


def test_convolutions_of_every_kind(tmp_path: Path) -> None:
    b = Builder()
    x = b.node("Conv", "grouped", ["x", b.weight("a", 32, 4, 3, 3)], group=4, pads=[1, 1, 1, 1], strides=[2, 1])
    x = b.node("Conv", "depthwise", [x, b.weight("b", 32, 1, 5, 3)], group=32, auto_pad="SAME_UPPER")
    x = b.node("Conv", "wide", [x, b.weight("c", 8, 32, 1, 7)], dilations=[1, 2], pads=[0, 6, 0, 6])
    x = b.node("ConvTranspose", "up", [x, b.weight("d", 8, 6, 2, 2)], strides=[2, 2])
    flat = b.node("Reshape", "flat", [x, b.whole("shape", 3, 6, -1)])
    y = b.node("Conv", "line", [flat, b.weight("e", 5, 6, 3)])
    found = works(tmp_path, b.model({"x": [3, 16, 12, 20]}, y))
    assert [(k, t) for k, _, t in found.values()] == [
        ("conv", 12), ("dwconv", 3), ("conv", 3), ("conv", 3), ("conv", 3),
    ]  # fmt: skip
    names = ("grouped", "depthwise", "wide", "up", "line")
    made = {n: next(d for p, (_, d, _) in found.items() if f"[{n}]" in p) for n in names}
    assert made["grouped"] == {"cin": 4, "cout": 8, "rows": 6, "cols": 20, "kh": 3, "kw": 3, "stride": 2}
    assert made["depthwise"] == {"channels": 32, "rows": 6, "cols": 20, "kh": 5, "kw": 3, "stride": 1}
    assert made["wide"] == {"cin": 32, "cout": 8, "rows": 6, "cols": 20, "kh": 1, "kw": 7, "stride": 1}
    assert made["up"] == {"cin": 8, "cout": 6, "rows": 6, "cols": 20, "kh": 2, "kw": 2, "stride": 1}
    assert made["line"] == {"cin": 6, "cout": 5, "rows": 478, "cols": 1, "kh": 3, "kw": 1, "stride": 1}


def test_products_pools_and_sums(tmp_path: Path) -> None:
    b = Builder()
    p = b.node("MaxPool", "max", ["x"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    a = b.node("AveragePool", "mean", [p], kernel_shape=[2, 2], strides=[2, 2])
    c = b.node("Concat", "both", [a, a, a], axis=1)
    s = b.node("Sum", "sum", [c, c, c])
    r = b.node("Clip", "clip", [b.node("BatchNormalization", "norm", [s, *(b.weight(n, 12) for n in "stmv")]), "", ""])
    g = b.node("Flatten", "flat", [b.node("GlobalAveragePool", "pool", [r])])
    m = b.node("Gemm", "gemm", [g, b.weight("w", 12, 7)], transA=0)
    y = b.node("MatMul", "outer", [b.node("Transpose", "turned", [m], perm=[1, 0]), m])
    found = works(tmp_path, b.model({"x": [2, 4, 16, 16]}, y))
    assert {p.split(".")[1]: (d, t) for p, (_, d, t) in found.items()} == {
        "MaxPool[max]": ({"reads": 2048, "writes": 512, "steps": 9 * 512, "rows": 8}, 1),
        "AveragePool[mean]": ({"reads": 512, "writes": 128, "steps": 4 * 128, "rows": 4}, 1),
        "Sum[sum]": ({"reads": 3 * 384, "writes": 384, "steps": 2 * 384, "rows": 4}, 1),
        "GlobalAveragePool[pool]": ({"reads": 384, "writes": 24, "steps": 384, "rows": 1}, 1),
        "Gemm[gemm]": ({"m": 2, "k": 12, "n": 7}, 1),
        "MatMul[outer]": ({"m": 7, "k": 2, "n": 7}, 1),
    }


def test_recurrent_layers(tmp_path: Path) -> None:
    b = Builder()
    y = b.node(
        "LSTM",
        "lstm",
        ["x", b.weight("w", 2, 32, 5), b.weight("r", 2, 32, 8)],
        hidden_size=8,
        direction="bidirectional",
    )
    found = works(tmp_path, b.model({"x": [10, 3, 5]}, y))
    assert [v for v in found.values() if v[0] == "matmul"] == [
        ("matmul", {"m": 30, "k": 5, "n": 32}, 2), ("matmul", {"m": 3, "k": 8, "n": 32}, 20),
    ]  # fmt: skip
    assert found["net.LSTM[lstm].elementwise"][1]["steps"] == 9 * 10 * 3 * 8 * 2


def test_a_spec_declares_operators_of_its_own(tmp_path: Path) -> None:
    b = Builder()
    x = b.node("Sketch", "first", ["x", b.weight("w", 8, 16)], domain="mine", width=6, scale=0.5, mode="fast")
    y = b.node("MatMul", "second", [x, b.weight("v", 4, 3)])
    model = b.model({"x": [5, 8]}, y)
    model.opset_import.add(domain="mine", version=1)
    own = """
        def Sketch(x: tensor[n, f], weight: tensor[f, g], bias = none, width: int, mode = "slow", scale: real = 1)
            -> tensor[n, 4] from "mine.Sketch" {
            ask matmul(m = n, k = f, n = if mode == "fast" then width else g, times = 2 * scale)
        }
        def MatMul(x: tensor[n, f], y: tensor[f, m]) -> tensor[n, m] from "mine.MatMul" {
            ask matmul(m = 1, k = 1, n = 1)
        }
    """
    for shape in ([5, 4], None):  # said by the file, or by the declared result alone
        del model.graph.value_info[:]
        if shape:
            from onnx import helper

            model.graph.value_info.append(helper.make_tensor_value_info(x, 1, shape))
            model.graph.value_info.append(helper.make_tensor_value_info(y, 1, [5, 3]))
        found = works(tmp_path, model, "", own)
        assert found["net.Sketch[first].matmul"] == ("matmul", {"m": 5, "k": 8, "n": 6}, 1)
        assert found["net.MatMul[second].matmul"] == ("matmul", {"m": 1, "k": 1, "n": 1}, 1)


def test_whole_shapes_stand_for_what_the_file_says(tmp_path: Path) -> None:
    found = works(tmp_path, resnet18(), "(image: tensor[4, 3, 64, 64])")
    assert found["net.Conv[/conv1/Conv].conv"][1]["rows"] == 64
    assert found["net.Conv[/conv1/Conv].conv"][2] == 4


def test_layers_bits_and_pins_go_by_the_names_of_nodes(tmp_path: Path) -> None:
    text = """
        import std.learn
        import std.systolic
        precision of net { weights = choose {4, 8} bit per layer; activations = 8 bit }
        precision of net.Gemm { both = 16 bit }
        chip = systolic(rows = 16, cols = 16, buffer = 1 MiB)
        some = precision.weights[net.Conv["/conv1/Conv"]]
        require some == 8 bit
        minimize chip.energy
    """
    b = Builder()
    x = b.node("Conv", "/conv1/Conv", ["x", b.weight("a", 4, 3, 3, 3)])
    x = b.node("Conv", "odd [name]\n", [x, b.weight("b", 4, 4, 3, 3)])
    y = b.node("Gemm", "", [b.node("Flatten", "flat", [x]), b.weight("c", 64, 2)])
    model = b.model({"x": [1, 3, 8, 8]}, y)
    found = read(tmp_path, model, "", text.replace("precision of net.Gemm", "precision last of net.Gemm"))
    assert found.space is not None, [d.message for d in found.diagnostics]
    assert [d.path for d in found.space.decisions] == [
        "precision.weights[net.Conv[/conv1/Conv]]", "precision.weights[net.Conv[odd _name__]]",
    ]  # fmt: skip
    (last,) = (w for w in found.space.works if w.call == "net.Gemm[_out]")
    assert dict(last.facts)["wbits"].number == 16
    assert isinstance(best(found.space).designs[0], dict)


def test_a_space_from_a_file_goes_round(tmp_path: Path) -> None:
    from cospace.compiler.space.schema import dumps, loads, to_json

    space: Space | None = read(tmp_path, resnet18()).space
    assert space is not None
    again = loads(dumps(to_json(space)))
    assert again.networks[0].nodes[3].path == space.networks[0].nodes[3].path
    weights = {name for node in space.networks[0].nodes for name, _ in getattr(node, "state", ())}
    assert weights == {"weight", "bias", "scale", "shift", "mean", "variance"}


def test_both_sides_of_attention_are_activations(tmp_path: Path) -> None:
    text = """
        import std.learn
        import std.systolic
        precision of net { weights = 4 bit; activations = 8 bit }
        chip = systolic(rows = 16, cols = 16, buffer = 1 MiB)
    """
    space = read(tmp_path, transformer(layers=1, words=8), "(batch = 1, sequence = 8)", text).space
    assert space is not None
    bits = {w.call: dict(w.facts)["wbits"].number for w in space.works if w.kind == "matmul"}
    assert bits.pop("net.MatMul[/layer.0/scores]") == bits.pop("net.MatMul[/layer.0/mixed]") == 8
    assert len(bits) == 6 and set(bits.values()) == {4}
