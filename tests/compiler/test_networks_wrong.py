"""What is wrong with a network's file is told by node, operator and dimension, whatever it holds; nothing is run."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from cospace.compiler.driver import compile_file
from cospace.dsl.diagnostics import Diagnostic

pytest.importorskip("onnx", reason="CI installs onnx; without it nothing here says whether ONNX files are read")

import onnx
from onnx import TensorProto, helper, parser

from tests.compiler.onnx_models import Builder, resnet18, save, transformer

HEAD = '<ir_version: 8, opset_import: ["" : 17, "mine" : 1]>\n'


def told(folder: Path, model: Any, given: str = "", imports: str = "std.onnx", text: str = "") -> list[Diagnostic]:
    if isinstance(model, bytes):
        (folder / "model.onnx").write_bytes(model)
    elif model is not None:
        save(parser.parse_model(HEAD + model) if isinstance(model, str) else model, folder / "model.onnx")
    spec = folder / "spec.cospace"
    spec.write_text(f'space s\nimport {imports}\n{text}\nnetwork net{given} from "model.onnx"\n')
    compiled = compile_file(spec)
    for d in compiled.diagnostics:
        source = compiled.sources[d.span.file]
        assert "model.onnx" in source[d.span.start : d.span.end] or "net" in source[: d.span.end], d
    return list(compiled.diagnostics)


def only(found: list[Diagnostic]) -> tuple[str, str, str]:
    (d,) = found
    return d.code, d.message, str(d.help)


def test_what_is_left_open_is_told_with_what_to_write(tmp_path: Path) -> None:
    code, said, help = only(told(tmp_path, transformer(layers=1)))
    sizes = "`batch` (dimension 1 of `ids`), `sequence` (dimension 2 of `ids`)"
    assert (code, said) == ("CS237", f"`model.onnx` leaves sizes of its inputs open: {sizes}")
    assert help == "say them: `network net(batch = 1, sequence = 1) from …`"
    code, said, help = only(told(tmp_path, transformer(layers=1), "(sequence = 8)"))
    assert "`sequence`" not in said and help == "say them: `network net(sequence = 8, batch = 1) from …`"
    code, said, help = only(told(tmp_path, transformer(layers=1), "(batch = 1, sequense = 8)"))
    assert (code, said) == ("CS214", "`model.onnx` has no size called `sequense`") and "`sequence`" in help
    code, said, help = only(told(tmp_path, resnet18(), "(batch = 2)"))
    assert code == "CS214" and help == "all its sizes are numbers"
    code, said, help = only(told(tmp_path, resnet18("batch size")))
    assert code == "CS237" and "network net(image: tensor[8, 3, 32, 32]) from …" in help
    assert told(tmp_path, resnet18("batch size"), "(image: tensor[8, 3, 32, 32])") == []


@pytest.mark.parametrize("given, code, said", [
    ("(batch = choose {1, 2}, sequence = 8)", "CS301", "a size is a whole number from 1"),
    ("(batch = 1/2, sequence = 8)", "CS301", "a size is a whole number from 1"),
    ("(batch = 0, sequence = 8)", "CS301", "a size is a whole number from 1"),
    ("(batch = 1, sequence = 2 ^ 70)", "CS301", "a size is a whole number from 1"),
    ("(ids: tensor[1, 2 ^ 70])", "CS301", "whole numbers from 1"),
    ("(batch, sequence = 8)", "CS306", "needs a value or a type"),
    ("(ids: 3)", "CS306", "an input of a file is a tensor"),
    ("(ids: tensor[1, 2], other: tensor[1])", "CS214", "has 1 inputs, and 2 are given"),
])  # fmt: skip
def test_what_the_text_gives_is_checked(given: str, code: str, said: str, tmp_path: Path) -> None:
    found = told(tmp_path, transformer(layers=1), given)
    assert [(d.code, said in d.message) for d in found] == [(code, True)], [d.message for d in found]


def test_unknown_operators_are_told_together_each_once(tmp_path: Path) -> None:
    nodes = " ".join(f"a{i} = mine.Sketch(a{i - 1})" for i in range(1, 6))
    model = f"g (float[1, 8] a0) => (float[1, 8] y) {{ {nodes} b = Softmix(a5) y = Relu(b) }}"
    code, said, help = only(told(tmp_path, model))
    listed = "`Sketch` (nodes `a1`, `a2`, `a3` and 2 more), `Softmix` (node `b`)"
    assert (code, said) == ("CS235", f"nothing declares operators of `model.onnx`: {listed}")
    assert help == "did you mean `Softmax` by `Softmix`?"
    help = only(told(tmp_path, model.replace("Softmix", "Softmax")))[2]
    assert "def Sketch(x: tensor[shape]) -> tensor[shape]" in help
    code, said, help = only(told(tmp_path, model, imports="std.works"))
    assert (code, "`Relu`" in said, "import std.onnx" in help) == ("CS235", True, True)
    assert [d.code for d in told(tmp_path, model, text="def Sketch(x) = x\nSoftmix = 3")] == ["CS235"]


@pytest.mark.parametrize("model, code, said", [
    (b"", "CS234", "it holds no graph"),
    (b"no protobuf at all", "CS234", "is no ONNX model"),
    ("g (float[1, 8] x) => (float[1, 8] y) { y = Relu(z) }", "CS234", "reads `z`, which nothing makes before it"),
    ("g (float[1, 8] x) => (int64[2, n] y) { y = NonZero(x) z = Relu(y) }", "CS235", "`NonZero`"),
    ("g (float[4, 8] x, int64[k] i) => (y) { y = Gather(x, i) }", "CS237", "`k` (dimension 1 of `i`)"),
    ("g (float[2, 8] x, float[7, 3] w) => (y) { y = MatMul(x, w) }", "CS237", "the size of `y`, which `MatMul` makes"),
    ("g (float[1, 8] x) => (y) { y = Conv(x, x) }", "CS237", "`Conv` makes"),
    ("g (float[1, 8] x) => (float[1, 8] y) { y = Conv(x, x) }", "CS213", "(node `y`)"),
    ("g (float[1, 8] x) => (float[1, 8] y) { y = Gemm(x) }", "CS214", "`Gemm` (node `y`) needs `weight`"),
    ("g (float[1, 8] x, seq(float) s) => (float[1, 8] y) { y = Relu(x) }", "CS234", "an input that is no tensor, `s`"),
    ("g () => (float[2] y) <float[2] w = {1, 2}> { y = Relu(w) }", "CS234", "constants only"),
    ("g (float[1, 8] x) => (y) { y = mine.f(x) }\n"
     + '<domain: "mine", opset_import: ["mine" : 1]> f (a) => (b) { b = mine.f(a) }', "CS234", "calls itself"),
])  # fmt: skip
def test_what_is_no_graph_that_can_be_costed(model: str | bytes, code: str, said: str, tmp_path: Path) -> None:
    found = told(tmp_path, model)
    assert [(d.code, said in d.message) for d in found] == [(code, True)], [(d.code, d.message) for d in found]


def test_why_onnx_knows_no_size_is_told(tmp_path: Path) -> None:
    b = Builder()
    y = b.node("Relu", "after", [b.node("Reshape", "bad", ["x", b.whole("shape", 3, -1)])])
    code, said, help = only(told(tmp_path, b.model({"x": [1, 8]}, y)))
    assert code == "CS237" and "(node `bad`)" in said and "ONNX says:" in help, (said, help)


def test_functions_of_a_model_are_written_out(tmp_path: Path) -> None:
    model = (
        "g (float[1, 8] x) => (float[1, 8] y) { y = mine.twice(x) }\n"
        '<domain: "mine", opset_import: ["" : 17]> twice (a) => (c) { b = Sigmoid(a) c = Sigmoid(b) }'
    )
    assert told(tmp_path, model) == []


def test_many_operators_by_functions_of_functions_are_refused(tmp_path: Path) -> None:
    head = "g (float[1, 8] x) => (y) { y = mine.f40(x) }\n"
    each = '<domain: "mine", opset_import: ["" : 17, "mine" : 1]> f{} (a) => (c) {{ b = {op}(a) c = {op}(b) }}\n'
    made = head + "".join(each.format(i, op=f"mine.f{i - 1}" if i else "Relu") for i in range(41))
    code, said, _ = only(told(tmp_path, made))
    assert code == "CS234" and "more than 50,000 operators" in said


def test_files_that_a_model_points_to_stay_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    b = Builder()
    model = b.model({"x": [1, 8]}, b.node("MatMul", "m", ["x", b.weight("w", 8, 4)]))
    (weight,) = model.graph.initializer
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "/dev/zero"), ("length", str(2**60))):
        weight.external_data.add(key=key, value=value)
    assert told(tmp_path, model) == [], "weights of another file are only as large as they are said to be"
    for name in ("../model.onnx", "/etc/passwd"):
        (tmp_path / "spec.cospace").write_text(f'space s\nimport std.onnx\nnetwork net from "{name}"\n')
        (d,) = compile_file(tmp_path / "spec.cospace").diagnostics
        assert d.code == "CS234" and "is not a file below the spec's folder" in d.message


def test_what_kills_the_parser_is_an_error_like_any_other(tmp_path: Path) -> None:
    """onnx 1.23 ends its process where it infers the size of this operator without knowing what it reads."""
    b = Builder()
    model = b.model({"x": [1, 8]}, b.node("RegexFullMatch", "kills", ["nothing"]), version=24)
    code, said, _ = only(told(tmp_path, model))
    assert (code, said) == ("CS234", "`model.onnx` is no ONNX model: reading it failed") or code == "CS235"


def test_mutated_models_are_told_or_read(tmp_path: Path) -> None:
    rng = random.Random(3)
    data = resnet18().SerializeToString()
    codes = set()
    for _ in range(8):
        made = bytearray(data)
        for at in (rng.randrange(len(made)) for _ in range(rng.randint(1, 4))):
            made[at] = rng.randrange(256)
        codes |= {d.code for d in told(tmp_path, bytes(made))}
    assert codes <= {"CS214", "CS234", "CS235", "CS237", "CS401", "CS402"}, codes


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import sys

    from cospace.compiler.elaborate import onnx_reader

    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(onnx_reader.Refused) as refused:
        onnx_reader.answer(save(resnet18(), tmp_path / "m.onnx"), {}, [])
    assert refused.value.args[1] == "pip install 'cospace[onnx]'"


__all__ = ["helper", "onnx"]
