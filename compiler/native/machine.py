"""LLVM for the machine that this runs on: kernels compiled when they are first needed."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any

from attrs import frozen
from cospace.compiler.native.emit import NAME, axes_read, emit
from cospace.compiler.native.schedule import Axis, Kernel
from llvmlite import binding

_SIGNATURE = ctypes.CFUNCTYPE(
    None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64)
)


@cache
def lanes() -> int:
    """Designs at a time: what one register, or two, hold."""
    return 8 if binding.get_host_cpu_features().get("avx512f") else 4


def _target() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    features = binding.get_host_cpu_features().flatten()
    target = binding.Target.from_default_triple()
    return target.create_target_machine(cpu=binding.get_host_cpu_name(), features=features, opt=2)


@frozen(eq=False)
class Compiled:
    """A kernel's machine code: called with the first and last design, how many there are, arrays and sizes.

    axes: those whose sizes it takes, in order; extents: the array of which one is known.
    """

    kernel: Kernel
    axes: tuple[Axis, ...]
    extents: dict[Axis, int]
    lanes: int
    call: Callable[..., None]
    engine: object


def compiled(kernel: Kernel, lanes: int) -> Compiled:
    """A kernel, ready to be called."""
    machine = _target()
    module = binding.parse_assembly(emit(kernel, lanes))
    module.verify()
    passes = binding.create_new_function_pass_manager()
    passes.add_sroa_pass()  # cells become registers; what more there is to do, it does when it makes code
    passes.run(module.get_function(NAME), binding.create_pass_builder(machine, binding.PipelineTuningOptions()))
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    extents = {
        axis: o.ref.id
        for nest in kernel.nests
        for t in nest.tasks
        for o in (t.out, *t.args)
        if o.ref is not None
        for axis in o.axes
    }
    call = _SIGNATURE(engine.get_function_address(NAME))
    return Compiled(kernel, tuple(axes_read(kernel)), extents, lanes, call, engine)
