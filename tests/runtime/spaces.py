"""A small space made by hand: two searched graph layers, a read-out, bits for each layer, and an engine."""

from __future__ import annotations

import threading
from fractions import Fraction

from cospace.compiler.driver import compile_text
from cospace.compiler.space import graph as g
from cospace.compiler.space.externals import External, external
from cospace.compiler.space.model import (
    Accelerator,
    Call,
    Choice,
    Decision,
    Input,
    NetworkPlan,
    Objective,
    Requirement,
    Space,
    Stage,
    Task,
)  # fmt: skip
from cospace.runtime.context import Run, prepare
from cospace.runtime.events import ignore

BIT = (("bit", Fraction(1)),)
FACTS = {
    "digits": (1797, 26475, 58736, 64, 10),
    "cora": (2708, 13264, 49216, 1433, 7),
    "citeseer": (3327, 12431, 105165, 3703, 6),
}


def compiled(text: str) -> Space:
    result = compile_text(text)
    assert result.space is not None, [d.message for d in result.diagnostics]
    return result.space


def prepared_text(text: str) -> Run:
    """A run of a space given as text, of seed 0."""
    return prepare(compiled(text), 0, None, ignore, threading.Event())


def symbols(*names: str) -> tuple[g.Value, ...]:
    return tuple(g.Symbol(n) for n in names)


def numbers(*values: int) -> tuple[g.Value, ...]:
    return tuple(Fraction(v) for v in values)


def opaque(kind: str, source: str, **arguments: g.Expr) -> g.Expr:
    return external(External(kind, source.split(".")[1], source, tuple(arguments.items())))


class Maker:
    def __init__(self, data: str, widths: tuple[int, ...], epochs: int, train_epochs: int) -> None:
        self.v, self.e, self.nnz, self.f, self.classes = FACTS[data]
        self.data, self.widths, self.epochs, self.train_epochs = data, widths, epochs, train_epochs
        self.decisions: list[Decision] = []
        self.nodes: list[Input | Call | Choice] = []
        self.cycles: list[g.Expr] = []

    def decide(self, path: str, values: tuple[g.Value, ...], guard: g.Expr = g.TRUE, unit: str = "") -> g.Expr:
        kind = g.SYMBOL if isinstance(values[0], g.Symbol) else g.Type("number", BIT if unit else ())
        group = path.split(".")[0].split("[")[0]
        self.decisions.append(Decision(path, "choose", values, kind, guard, unit=unit or None, group=group))
        return g.var(path, kind)

    def add(self, node: Input | Call | Choice) -> int:
        self.nodes.append(node)
        return len(self.nodes) - 1

    def place(self, name: str, x: int, fin: g.Expr, out: g.Expr, kinds: tuple[str, ...]) -> int:
        choice = self.decide(name, symbols(*kinds))
        options: list[tuple[g.Value, int]] = []
        for kind in kinds:
            if kind == "skip":
                options.append((g.Symbol(kind), x))
                continue
            guard = g.eq(choice, g.const(g.Symbol(kind)))
            path = f"{name}.{kind}"
            arguments: list[tuple[str, g.Expr]] = [("out", out)]
            if kind == "gat":
                heads = self.decide(path + ".heads", numbers(1, 2), guard)
                arguments.append(("heads", heads))
            bits = [
                self.decide(f"precision.{what}[{path}]", numbers(4, 8), guard, "bit")
                for what in ("weights", "activations")
            ]
            inputs = (("x", x),) if kind == "linear" else (("x", x), ("adj", 1))
            shape = (g.const(self.v), out)
            facts = (("wbits", bits[0]), ("abits", bits[1]))
            options.append(
                (
                    g.Symbol(kind),
                    self.add(Call(path, kind, f"graph.{kind}", inputs, tuple(arguments), shape, guard, (), facts)),
                )
            )
            work = g.mul(
                g.const(self.v), fin, out, g.mul(bits[0], g.const(Fraction(1, 8), ((BIT[0][0], Fraction(-1)),)))
            )
            self.cycles.append(g.branch(guard, work, g.const(0)))
        return self.add(Choice(name, tuple(options), (g.const(self.v), out)))

    def simple(self, path: str, kind: str, x: int, width: g.Expr) -> int:
        return self.add(Call(path, kind, f"graph.{kind}", (("x", x),), (), (g.const(self.v), width), g.TRUE))

    def space(self) -> Space:
        self.add(Input("x", "nodes", "features", (g.const(self.v), g.const(self.f))))
        self.add(Input("adj", "nodes", "graph", (g.const(self.v), g.const(self.e))))
        hidden = self.decide("net.hidden", numbers(*self.widths))
        x, fin = 0, g.const(self.f)
        for i in (1, 2):
            kinds = ("gcn", "gat", "sage", "gin") + (("skip",) if i == 2 else ())
            x = self.place(f"net.conv[{i}]", x, fin, hidden, kinds)
            act = self.decide(f"net.act[{i}]", symbols("relu", "elu"))
            relu = self.simple(f"net.act[{i}].relu", "relu", x, hidden)
            elu = self.simple(f"net.act[{i}].elu", "elu", x, hidden)
            x = self.add(
                Choice(str(act.payload), ((g.Symbol("relu"), relu), (g.Symbol("elu"), elu)), (g.const(self.v), hidden))
            )
            x = self.simple(f"net.dropout[{i}]", "dropout", x, hidden)
            fin = hidden
        x = self.place("net.out", x, hidden, g.const(self.classes), ("gcn", "gat", "linear"))
        rows = self.decide("engine.rows", numbers(4, 8, 16, 32))
        cols = self.decide("engine.cols", numbers(4, 8, 16, 32))
        cycles = g.ceil(g.div(g.add(*self.cycles), g.mul(rows, cols)))
        power = g.add(g.mul(rows, cols), g.const(64))
        product = g.mul(cycles, power)
        fits = g.le(g.mul(rows, cols), g.const(512))
        cross = opaque("loss", "losses.cross_entropy")
        loss = g.add(cross, g.mul(g.const(Fraction(1, 10)), g.log(product)))
        adam = opaque("optimiser", "optimisers.adam", rate=g.const(Fraction(1, 100)), decay=g.const(Fraction(5, 10000)))
        fast = opaque("optimiser", "optimisers.adam", rate=g.const(Fraction(1, 20)))
        gumbel = opaque(
            "engine", "engines.gumbel", forward=g.const(g.Symbol("hard")), backward=g.const(2), optimiser=fast
        )
        das = opaque("engine", "engines.das", samples=g.const(8))
        search = Stage(
            "search", ("net", "precision", "engine"),
            ((("net",), gumbel), (("precision",), gumbel), (("engine",), das)),
            (("epochs", g.const(self.epochs)), ("loss", loss), ("optimiser", adam), ("pool", g.const(12))),
            "stages.search",
        )  # fmt: skip
        train = Stage(
            "train", ("net",), (),
            (("epochs", g.const(self.train_epochs)), ("loss", cross), ("optimiser", adam)), "stages.train",
        )  # fmt: skip
        names = ("nodes", "edges", "nonzeros", "width", "classes")
        facts = tuple((n, g.const(v)) for n, v in zip(names, FACTS[self.data], strict=True))
        error = external(External("measure", "error", "measures.error", (), Fraction(0), Fraction(1), "low"))
        return Space(
            "small", None, (), tuple(self.decisions),
            (Requirement(fits, g.TRUE, "the multipliers of the board", g.NOWHERE),),
            (Objective(error, "minimize", "error(nodes)"), Objective(product, "minimize", "cycles * power")),
            (), (NetworkPlan("net", tuple(self.nodes), len(self.nodes) - 1),),
            (Accelerator("engine", "engine", (("cycles", cycles),), ()),),
            (Task("nodes", "tasks.graph", (("name", g.const(self.data)),), facts),), (search, train),
        )  # fmt: skip


def make_space(
    data: str = "digits", widths: tuple[int, ...] = (8, 16), epochs: int = 6, train_epochs: int = 10
) -> Space:
    return Maker(data, widths, epochs, train_epochs).space()
