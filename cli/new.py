"""`cospace new`: a small spec to start from."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from cospace.cli import options
from cospace.cli.guard import fail, verb

TEMPLATE = """\
space {name} "A small network and a small accelerator, searched together"

import std.tasks
import std.graph
import std.works
import std.learn
import std.energy as tech                        # energies and areas; every constant can be overridden here

param area_budget = 0.4 mm2                      # --set area_budget=0.2mm2

nodes = node_classification("digits")            # needs no download; its sizes are text in std.tasks

# The network: what it may be. `choose` is decided by the search, once.
network net(x: nodes.features, adj: nodes.graph) -> tensor[nodes.nodes, nodes.classes] {{
    hidden = choose {{16, 32, 64}}
    x = choose conv {{
        gcn  = gcn(x, adj, out = hidden)
        sage = sage(x, adj, out = hidden)
    }}
    x = relu(x)
    x = dropout(x)
    linear(x, out = nodes.classes)
}}

precision of net {{
    weights     = choose {{4, 8}} bit per layer
    activations = choose {{4, 8}} bit per layer
}}

# The accelerator: its parameters, and a rule for each kind of work that the network asks for.
accelerator chip {{
    rows, cols = choose 4..32 step 4             "multipliers of the dense array"
    lanes      = choose {{1, 2, 4, 8}}             "edges summed at once"
    buffer     = choose {{64, 128}} KiB
    clock      = 500 MHz

    area = (rows * cols + lanes) * tech.mac_area(8 bit) + tech.sram_area(buffer)

    on matmul(m, k, n, wbits, abits) {{
        tile = map divisors(m)                   # solved for each layer
        require tile * k * abits <= buffer       "a tile fits the buffer"
        cycles = ceil(m / rows) * ceil(n / cols) * k
        energy = m * k * n * tech.mac_energy(wbits, abits) + k * n * (m / tile) * wbits * tech.sram
        minimize cycles * energy                 # what the tile is chosen for
    }}
    on propagate(v, e, fin, fout) {{              # a graph layer, in an order that is solved for each layer
        order  = map {{combine_first, aggregate_first}}
        dense  = ask matmul(m = v, k = fin, n = fout)
        sums   = ask spmm(v = v, e = e, width = if order == combine_first then fout else fin)
        cycles = dense.cycles + sums.cycles
        energy = dense.energy + sums.energy
        minimize cycles * energy
    }}
    on spmm(e, width, abits) {{
        cycles = ceil(e / lanes) * width
        energy = e * width * (tech.mac_energy(abits, abits) + abits * tech.sram)
    }}

    latency = sum(works.cycles) / clock
    energy  = sum(works.energy)
}}

require chip.area <= area_budget                 "the die we can afford"

minimize error(nodes)
minimize chip.energy * chip.latency              "energy-delay product"

search {{
    epochs = 100
    loss      = cross_entropy() + 0.1 * log(chip.latency / 1 us)
    optimiser = adam(0.01, decay = 5e-4)
    net       by gumbel(forward = hard, backward = 2)
    precision by gumbel(forward = soft)
    chip      by local(evaluations = 200)
}}
train of net {{ epochs = 100; loss = cross_entropy(); optimiser = adam(0.01, decay = 5e-4) }}
"""


@verb
def new(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="of the space; NAME.cospace is written", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="where to")] = Path("."),
    overwrite: options.Overwrite = False,
) -> None:
    """Write a small spec with a network and an accelerator, to start from."""
    name = name.removesuffix(".cospace")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise typer.BadParameter("a name is letters, digits and _, and starts with a letter", param_hint="NAME")
    path = out / f"{name}.cospace"
    if path.exists() and not overwrite:
        fail("CS811", f"{path} is there already", "another name, or --overwrite")
    out.mkdir(parents=True, exist_ok=True)
    path.write_text(TEMPLATE.format(name=name), encoding="utf-8")
    typer.echo(f"wrote {path}\n\nnext:\n  cospace compile {path}\n  cospace search {path} --out results/{name}")
