"""Operators on batches of images: (examples, channels, height, width), padded so that a stride of s leaves ceil(n / s).

Each module takes the inputs in the order of the declaration in text, and a `Precision`; it rounds every operand of the
works that its declaration asks for: the weights `rounded`, in that order (-> the axis of their channels), and so many
`inputs`.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from cospace.runtime.operators import Arguments, Shapes
from cospace.runtime.operators.norm import Norm
from cospace.runtime.quantise import PLAIN, Precision
from cospace.runtime.registry import register
from torch import Tensor, nn


def convolve(x: Tensor, weight: Tensor, precision: Precision, stride: int = 1, groups: int = 1) -> Tensor:
    """A convolution of rounded operands, zeros around. x: examples x in x rows x columns; weight: out x in / groups x
    kernel x kernel. In memory the channels of a pixel lie together from here on: kernels of few channels a group and
    their gradients take a fraction of the time so."""
    kernel, operand = weight.shape[-1], precision.activation(x.contiguous(memory_format=torch.channels_last))
    if kernel % 2 == 0:
        operand = _padded(operand, kernel)
    return F.conv2d(operand, precision.weight(weight), None, stride, kernel // 2 if kernel % 2 else 0, 1, groups)


def _padded(x: Tensor, kernel: int, value: float = 0.0) -> Tensor:
    """With as many rows and columns more as a window has beside its middle, the larger half after the image."""
    before, after = (kernel - 1) // 2, kernel // 2
    return F.pad(x, (before, after, before, after), value=value)


def shuffle(x: Tensor, groups: int) -> Tensor:
    """The channels of `groups` groups in turn (Zhang et al., 2018)."""
    n, channels, height, width = x.shape
    return x.view(n, groups, channels // groups, height, width).transpose(1, 2).reshape(x.shape)


class Convolution(nn.Module):
    """Without bias, for a norm follows."""

    rounded, inputs = {"weight": 0}, 1

    def __init__(self, channels: int, out: int, kernel: int, stride: int, groups: int) -> None:
        super().__init__()
        self.stride, self.groups = stride, groups
        self.weight = _filters(out, channels // groups, kernel)

    def forward(self, x: Tensor, precision: Precision = PLAIN) -> Tensor:
        return convolve(x, self.weight, precision, self.stride, self.groups)


def _filters(out: int, channels: int, kernel: int) -> nn.Parameter:
    """As He et al. (2015) draw them, by what goes out."""
    weight = torch.empty(out, channels, kernel, kernel)
    return nn.Parameter(nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu"))


class Linear(nn.Linear):
    """x W^T + b."""

    rounded, inputs = {"weight": 0}, 1

    def forward(self, x: Tensor, precision: Precision = PLAIN) -> Tensor:
        return F.linear(precision.activation(x), precision.weight(self.weight), self.bias)


class InvertedResidual(nn.Module):
    """Sandler et al. (2018); between grouped convolutions the channels are shuffled, as in Wu et al. (2019)."""

    rounded, inputs = {"expand": 0, "depth": 0, "project": 0}, 3

    def __init__(self, channels: int, out: int, kernel: int, expansion: int, stride: int, groups: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.stride, self.groups, self.residual = stride, groups, stride == 1 and channels == out
        self.expand = _filters(inner, channels // groups, 1)
        self.depth = _filters(inner, 1, kernel)
        self.project = _filters(out, inner // groups, 1)
        self.expanded, self.deepened, self.projected = Norm(inner), Norm(inner), Norm(out)

    def forward(self, x: Tensor, precision: Precision = PLAIN) -> Tensor:
        y = F.relu(self.expanded(convolve(x, self.expand, precision, groups=self.groups)))
        if self.groups > 1:
            y = shuffle(y, self.groups)
        y = F.relu(self.deepened(convolve(y, self.depth, precision, self.stride, y.shape[1])))
        y = self.projected(convolve(y, self.project, precision, groups=self.groups))
        return y + x if self.residual else y


class Reduction(nn.Module):
    """Half the rows and columns by two 3 x 3 convolutions, beside a mean of 2 x 2 and a 1 x 1 convolution (the residual
    block between the stages of Dong and Yang, 2020)."""

    rounded, inputs = {"first": 0, "second": 0, "skip": 0}, 3

    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        self.first, self.second, self.skip = (
            _filters(out, channels, 3),
            _filters(out, out, 3),
            _filters(out, channels, 1),
        )
        self.halved, self.done = Norm(out), Norm(out)

    def forward(self, x: Tensor, precision: Precision = PLAIN) -> Tensor:
        y = F.relu(self.halved(convolve(x, self.first, precision, 2)))
        y = self.done(convolve(y, self.second, precision))
        return F.relu(y + convolve(F.avg_pool2d(x, 2, ceil_mode=True), self.skip, precision))


class Shortcut(nn.Module):
    """What a skipped block leaves: the image, or one of the new shape by a 1 x 1 convolution at full precision."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = _filters(out, channels, 1) if stride > 1 or channels != out else None

    def forward(self, x: Tensor, precision: Precision = PLAIN) -> Tensor:
        return x if self.weight is None else convolve(x, self.weight, PLAIN, self.stride)


class Apply(nn.Module):
    """A function of its inputs without weights."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *inputs: Tensor, precision: Precision = PLAIN) -> Tensor:
        return self.function(*inputs)


class Dropout(nn.Dropout):
    """Srivastava et al. (2014)."""

    def forward(self, x: Tensor, precision: Precision = PLAIN) -> Tensor:
        return super().forward(x)


@register("image.conv2d")
def build_conv2d(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    kernel, stride, groups = (int(arguments.get(name, value)) for name, value in _CONVOLUTION.items())
    return Convolution(inputs[0][0], shape[0], kernel, stride, groups)


_CONVOLUTION = {"kernel": 3, "stride": 1, "groups": 1}


@register("image.depthwise")
def build_depthwise(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    channels = inputs[0][0]
    return Convolution(channels, channels, int(arguments.get("kernel", 3)), int(arguments.get("stride", 1)), channels)


@register("image.linear")
def build_linear(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Linear(inputs[0][0], shape[0])


@register("image.mbconv")
def build_mbconv(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    kernel, stride, groups = (int(arguments.get(name, value)) for name, value in _CONVOLUTION.items())
    return InvertedResidual(inputs[0][0], shape[0], kernel, int(arguments.get("expansion", 1)), stride, groups)


@register("image.reduce")
def build_reduction(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Reduction(inputs[0][0], shape[0])


@register("image.shortcut")
def build_shortcut(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Shortcut(inputs[0][0], shape[0], int(arguments.get("stride", 1)))


@register("image.batch_norm")
def build_batch_norm(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Norm(shape[0])


@register("image.dropout")
def build_dropout(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    return Dropout(float(arguments.get("rate", 0.5)))


@register("image.avg_pool")
def build_avg_pool(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    kernel = int(arguments.get("kernel", 3))

    def pool(x: Tensor) -> Tensor:
        """The mean of what of a window is inside the image."""
        return F.avg_pool2d(_padded(x, kernel), kernel, 1) / _inside(x, kernel)

    return Apply(pool)


def _inside(x: Tensor, kernel: int) -> Tensor:
    """The share of each window that lies inside the image."""
    ones = torch.ones((1, 1, *x.shape[2:]), dtype=x.dtype, device=x.device)
    return F.avg_pool2d(_padded(ones, kernel), kernel, 1)


@register("image.max_pool")
def build_max_pool(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    kernel = int(arguments.get("kernel", 2))
    stride = int(arguments.get("stride", kernel))
    return Apply(lambda x: F.max_pool2d(_padded(x, kernel, -torch.inf), kernel, stride))


@register("image.channel_shuffle")
def build_shuffle(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    groups = int(arguments["groups"])
    if shape[0] % groups:
        raise ValueError(f"{groups} groups do not share {shape[0]} channels evenly")
    return Apply(lambda x: shuffle(x, groups))


@register("image.resize")
@register("image.upsample")
def build_resize(arguments: Arguments, inputs: Shapes, shape: tuple[int, ...]) -> nn.Module:
    size = shape[1:]
    return Apply(lambda x, *like: F.interpolate(x, size, mode="bilinear", align_corners=False))


_PLAIN: dict[str, Callable[..., Tensor]] = {
    "image.relu": F.relu,
    "image.identity": lambda x: x,
    "image.zero": torch.zeros_like,
    "image.add": torch.add,
    "tensor.add": torch.add,
    "image.concat": lambda x, y: torch.cat([x, y], 1),
    "image.flatten": lambda x: x.flatten(1),
    "image.global_pool": lambda x: x.mean((2, 3)),
}


def _plain(function: Callable[..., Tensor]) -> Callable[..., nn.Module]:
    return lambda arguments, inputs, shape: Apply(function)


for _name, _function in _PLAIN.items():
    register(_name)(_plain(_function))
