"""ONNX models that tests make, node by node, as exporters write them: no weights, only how large they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from attrs import define, field
from onnx import TensorProto, helper


@define
class Builder:
    """A graph that grows; names are those that exporters give."""

    nodes: list[Any] = field(factory=list)
    weights: list[Any] = field(factory=list)

    def weight(self, name: str, *shape: int) -> str:
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, raw_data=b"")
        self.weights.append(tensor)
        return name

    def whole(self, name: str, *values: int) -> str:
        self.weights.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    def node(self, operator: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [f"{name}_out"], name, **attributes))
        return f"{name}_out"

    def model(self, inputs: dict[str, Sequence[int | str]], output: str, version: int = 17) -> Any:
        made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(s)) for n, s in inputs.items()]
        given = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
        graph = helper.make_graph(self.nodes, "graph", made, given, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", version)], ir_version=8)


def save(model: Any, path: Path) -> Path:
    path.write_bytes(model.SerializeToString())
    return path


def resnet18(batch: int | str = 1) -> Any:
    """For images of 32 x 32, as `std.images` has it, batch normalisation not folded."""
    b = Builder()

    def conv(x: str, name: str, cin: int, cout: int, kernel: int, stride: int, relu: bool) -> str:
        pads = [kernel // 2] * 4
        w = b.weight(f"{name}.weight", cout, cin, kernel, kernel)
        x = b.node("Conv", f"/{name}/Conv", [x, w], kernel_shape=[kernel, kernel], strides=[stride, stride], pads=pads)
        norm = [b.weight(f"{name}.{n}", cout) for n in ("scale", "shift", "mean", "var")]
        x = b.node("BatchNormalization", f"/{name}/bn", [x, *norm])
        return b.node("Relu", f"/{name}/relu", [x]) if relu else x

    x = conv("image", "conv1", 3, 64, 3, 1, True)
    wide = 64
    for stage in range(4):
        for block in range(2):
            name, out, stride = f"layer{stage + 1}.{block}", 64 << stage, 2 if stage and not block else 1
            y = conv(x, f"{name}/conv1", wide, out, 3, stride, True)
            y = conv(y, f"{name}/conv2", out, out, 3, 1, False)
            if stride > 1:
                x = conv(x, f"{name}/downsample", wide, out, 1, stride, False)
            x = b.node("Relu", f"/{name}/relu", [b.node("Add", f"/{name}/Add", [y, x])])
            wide = out
    x = b.node("Flatten", "/Flatten", [b.node("GlobalAveragePool", "/avgpool", [x])])
    x = b.node("Gemm", "/fc/Gemm", [x, b.weight("fc.weight", 10, 512), b.weight("fc.bias", 10)], transB=1)
    return b.model({"image": [batch, 3, 32, 32]}, x)


def transformer(layers: int = 12, wide: int = 768, heads: int = 12, words: int = 30_522) -> Any:
    """An encoder of BERT-base's size: batch and length are left open, shapes computed in the graph, as exports do."""
    b = Builder()
    one, axis0 = b.whole("one", 1), b.whole("zero", 0)

    def linear(x: str, name: str, rows: int, cols: int) -> str:
        x = b.node("MatMul", f"/{name}/MatMul", [x, b.weight(f"{name}.weight", rows, cols)])
        return b.node("Add", f"/{name}/Add", [x, b.weight(f"{name}.bias", cols)])

    def norm(x: str, name: str) -> str:
        scale, shift = b.weight(f"{name}.scale", wide), b.weight(f"{name}.shift", wide)
        return b.node("LayerNormalization", f"/{name}/LayerNormalization", [x, scale, shift], axis=-1)

    def split(x: str, name: str, order: Sequence[int]) -> str:
        shape = b.node("Shape", f"/{name}/Shape", [x])
        sizes = [b.node("Gather", f"/{name}/Gather_{k}", [shape, at], axis=0) for k, at in ((0, axis0), (1, one))]
        heads_ = [b.whole(f"{name}.heads", heads), b.whole(f"{name}.size", wide // heads)]
        whole = b.node("Concat", f"/{name}/Concat", [*sizes, *heads_], axis=0)
        return b.node(
            "Transpose", f"/{name}/Transpose", [b.node("Reshape", f"/{name}/Reshape", [x, whole])], perm=order
        )

    x = b.node("Gather", "/embeddings/Gather", [b.weight("embeddings", words, wide), "ids"])
    x = norm(x, "embeddings/norm")
    for layer in range(layers):
        at = f"layer.{layer}"
        q = split(linear(x, f"{at}/query", wide, wide), f"{at}/query", (0, 2, 1, 3))
        k = split(linear(x, f"{at}/key", wide, wide), f"{at}/key", (0, 2, 3, 1))
        v = split(linear(x, f"{at}/value", wide, wide), f"{at}/value", (0, 2, 1, 3))
        scores = b.node("MatMul", f"/{at}/scores", [q, k])
        scores = b.node("Div", f"/{at}/Div", [scores, b.weight(f"{at}.root")])
        scores = b.node("Softmax", f"/{at}/Softmax", [scores], axis=-1)
        y = b.node("Transpose", f"/{at}/back", [b.node("MatMul", f"/{at}/mixed", [scores, v])], perm=(0, 2, 1, 3))
        flat = b.node("Reshape", f"/{at}/flat", [y, b.whole(f"{at}.flat", 0, 0, wide)])
        x = norm(b.node("Add", f"/{at}/skip", [x, linear(flat, f"{at}/output", wide, wide)]), f"{at}/norm1")
        y = linear(x, f"{at}/up", wide, 4 * wide)
        y = b.node("Mul", f"/{at}/gelu", [y, b.node("Erf", f"/{at}/Erf", [y])])
        x = norm(b.node("Add", f"/{at}/skip2", [x, linear(y, f"{at}/down", 4 * wide, wide)]), f"{at}/norm2")
    model = b.model({"ids": ["batch", "sequence"]}, x)
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64
    return model


__all__ = ["Builder", "onnx", "resnet18", "save", "transformer"]
