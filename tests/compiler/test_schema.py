"""The compiled space as JSON: exact both ways, stable, and safe to read from a stranger."""

import copy
import json
import random
import subprocess
import sys
from fractions import Fraction

import pytest
from attrs import evolve
from cospace.compiler.space import graph as g
from cospace.compiler.space.externals import External, external
from cospace.compiler.space.model import (
    Accelerator,
    Call,
    Choice,
    Constant,
    Decision,
    Input,
    NetworkPlan,
    Objective,
    Param,
    Placement,
    Requirement,
    Space,
    Stage,
    Task,
    Work,
)  # fmt: skip
from cospace.compiler.space.schema import dumps, from_json, loads, to_json
from cospace.dsl.diagnostics import NOWHERE, Span, SpecError

BIT = (("bit", Fraction(1)),)


def small_space() -> Space:
    """One of everything: a conditional decision, maps, a choice of operators, externals, units, a reference to text."""
    here = Span("a.cospace", 3, 9)
    op = Decision("net.op", "choose", (g.Symbol("wide"), g.Symbol("relu")), g.SYMBOL, group="net", span=here)
    is_wide = g.eq(g.var("net.op", g.SYMBOL), g.const(g.Symbol("wide")))
    heads = Decision("net.op.wide.heads", "choose", (Fraction(1), Fraction(2)), g.NUMBER, guard=is_wide, group="net")
    buffer = Decision(
        "chip.buffer", "choose", (Fraction(8192), Fraction(16384)), g.Type("number", BIT),
        allowed=(g.TRUE, is_wide), unit="KiB", scale=Fraction(8192), group="chip", doc="on the chip",
    )  # fmt: skip
    tile = g.MapDecision("tile", (Fraction(1), Fraction(3)), g.NUMBER)
    tiles = g.var("tile", g.NUMBER)
    cycles = g.div(g.const(7), tiles)
    inner = g.MapProblem("work", (tile,), (g.le(tiles, g.const(3)),), (cycles,), here)
    solved = g.solve(inner, cycles)
    adam = External("optimiser", "adam", "optimisers.adam", (("rate", g.const(Fraction(1, 100))),))
    error = External("measure", "error", "measures.error", (), Fraction(0), Fraction(1), "minimize")
    call = Call("net.wide", "wide", "torch.wide", (("x", 0),), (("heads", g.var("net.op.wide.heads", g.NUMBER)),),
                (g.const(4),), is_wide, (("weight", (g.const(4), g.const(4))),), works=("w",))  # fmt: skip
    plan = NetworkPlan(
        "net",
        (Input("x", "task", "features", (g.const(4),)), call,
         Choice("net.op", ((g.Symbol("wide"), 1), (g.Symbol("relu"), 0)), (g.const(4),))), 2)  # fmt: skip
    place = Placement("chip.on matmul", g.TRUE, (("cycles", solved),), inner)
    return Space(
        name="small", doc=None, params=(Param("data", g.const("digits"), None, True),), decisions=(op, heads, buffer),
        requirements=(Requirement(g.solvable(inner), is_wide, "fits", here, "map"),),
        objectives=(Objective(external(error), "minimize", "error(task)"),
                    Objective(solved, "minimize", "chip.cycles", unit="cycles")),
        works=(Work("w", "matmul", "net.wide", "chip", (("m", g.const(7)),), (), g.const(1), is_wide, (place,)),),
        networks=(plan,), accelerators=(Accelerator("chip", "chip", (("cycles", solved),), ("chip.on matmul",)),),
        tasks=(Task("task", "tasks.graph", (), (("nodes", g.const(4)),)),),
        stages=(Stage("search", (), ((("net",), external(adam)),), (("epochs", g.const(3)),), "stages.search"),),
        constants=(Constant("tech.sram", "3 pJ / byte"),), sources=(("a.cospace", "x = 1\n"),),
    )  # fmt: skip


def spaces() -> list[Space]:
    from generate import generate

    return [small_space(), *(generate(seed).space() for seed in range(12))]


@pytest.fixture(autouse=True)
def _generator_on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(__import__("pathlib").Path(__file__).parent))


def test_round_trip_is_exact() -> None:
    for space in spaces():
        data = to_json(space)
        text = dumps(data)
        assert json.loads(text) == data
        again = loads(text)
        assert to_json(again) == data
        assert [d.path for d in again.decisions] == [d.path for d in space.decisions]
        assert [d.values for d in again.decisions] == [d.values for d in space.decisions]
        assert [d.guard for d in again.decisions if "solv" not in repr(d.guard)] == [
            d.guard for d in space.decisions if "solv" not in repr(d.guard)
        ]


def test_answers_survive() -> None:
    from cospace.compiler.exact.exact import evaluate
    from generate import generate

    for seed in range(6):
        space = generate(seed).space()
        again = loads(dumps(to_json(space)))
        for design in list(generate(seed).designs())[:20]:
            for before, after in zip(space.requirements, again.requirements, strict=True):
                assert evaluate(before.value, design) == evaluate(after.value, design)
            for before, after in zip(space.objectives, again.objectives, strict=True):
                assert evaluate(before.value, design) == evaluate(after.value, design)


def test_problems_stay_shared() -> None:
    space = from_json(to_json(small_space()))
    placement = space.works[0].placements[0]
    assert placement.problem is placement["cycles"].payload is space.objectives[1].value.payload


def test_same_in_every_process() -> None:
    code = (
        "import sys, hashlib; sys.path.insert(0, sys.argv[1]); import test_schema as t;"
        "print(hashlib.sha256(t.dumps(t.to_json(t.small_space())).encode()).hexdigest())"
    )
    folder = str(__import__("pathlib").Path(__file__).parent)
    runs = {
        subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True,
                       env={"PYTHONHASHSEED": seed}).stdout for seed in ("1", "2")
    }  # fmt: skip
    assert len(runs) == 1


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        loads(text, "x.json")
    return caught.value.diagnostics[0].code


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 100_000, '{"a": ' + "1" * 100_000 + "}", "\0"])
def test_not_json(text: str) -> None:
    assert refusal(text) == "CS801"


@pytest.mark.parametrize("data", [[], 1, None, {}, {"format": "other"}, {"format": "cospace space", "schema": 2}])
def test_another_format(data: object) -> None:
    assert refusal(json.dumps(data)) == "CS802"


def test_damage_is_refused_with_a_reason() -> None:
    good = to_json(small_space())
    for change in (
        lambda d: d["nodes"][0].update(op="system"),
        lambda d: d["nodes"][1].update(args=[99]),
        lambda d: d["nodes"].pop(),
        lambda d: d["space"].pop("decisions"),
        lambda d: d["space"]["decisions"][0].update(values=[]),
        lambda d: d["space"]["decisions"].append(d["space"]["decisions"][0]),
        lambda d: d["space"]["decisions"].reverse(),
        lambda d: d["problems"][0].update(requirements=[0, 1]),
        lambda d: d["space"]["networks"][0].update(output=7),
        lambda d: d.update(files=3),
        lambda d: d.update(problems=[]),
    ):
        data = copy.deepcopy(good)
        change(data)
        assert refusal(json.dumps(data)) == "CS803"


def node(data: dict, op: str) -> dict:  # type: ignore[type-arg]
    return next(n for n in data["nodes"] if n["op"] == op)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda d: node(d, "le").update(args=[5]), "takes 2 arguments"),
        (lambda d: node(d, "le").update(type="number"), "can't have type"),
        (lambda d: node(d, "le").update(op="and"), "and of"),
        (lambda d: node(d, "div").update(args=[8, 3]), "div of"),
        (lambda d: node(d, "eq").update(args=[2, 0]), "eq of"),
        (lambda d: node(d, "le").update(op="if", args=[1, 5, 1]), "if of"),
        (lambda d: node(d, "const").update(type="bool"), "a constant digits of type bool"),
        (lambda d: node(d, "var").update(payload="net.nothing"), "read but not declared"),
        (lambda d: d["space"]["decisions"][0].update(values=["1", "2"]), "a value of another type"),
        (lambda d: d["space"]["decisions"][0].update(scale="0"), "a unit of size 0"),
        (lambda d: d["space"]["decisions"][2].update(allowed=[1]), "2 values and 1 conditions"),
        (lambda d: d["space"]["requirements"][0].update(value=6), "a condition is not true or false"),
        (lambda d: d["space"]["networks"][0]["nodes"][2].update(decision="net.no"), "is not a decision"),
        (lambda d: d["space"]["networks"][0]["nodes"][1].update(inputs=[["x", 2]]), "uses a later one"),
    ],
)
def test_what_does_not_fit_together_is_named(change, said: str) -> None:  # type: ignore[no-untyped-def]
    data = copy.deepcopy(to_json(small_space()))
    change(data)
    with pytest.raises(SpecError) as caught:
        loads(json.dumps(data), "x.json")
    (found,) = caught.value.diagnostics
    assert found.code == "CS803" and said in found.message + str(found.help), found.message


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda t: t.update(keys=[], values=[]), "has no rows"),
        (lambda t: t["values"].pop(), "not one value each"),
        (lambda t: t["values"].__setitem__(0, True), "several kinds"),
        (lambda t: t["keys"][0].append("1"), "a short row"),
        (lambda t: t["keys"].__setitem__(0, t["keys"][1]), "two rows with one key"),
        (lambda t: t.update(values=[True] * len(t["values"]), default=[True] * len(t["default"])), "a look-up in"),
    ],
)
def test_a_table_of_other_rows_is_named(change, said: str) -> None:  # type: ignore[no-untyped-def]
    from tests.compiler.spaces import space_of

    rows = "table t(k: int) from [[1, 2], [2, 5], [3, 1]] { v: int }\n"
    data = to_json(space_of(f"space t\n{rows}a = choose 1..3\nrequire t(a).v <= 2\n"))
    change(data["lookups"][0])
    with pytest.raises(SpecError) as caught:
        loads(json.dumps(data), "x.json")
    (found,) = caught.value.diagnostics
    assert found.code == "CS803" and said in found.message + str(found.help), found.message


def test_mutations_never_crash() -> None:
    """Random edits of any value give a space or a diagnostic."""
    good = to_json(small_space())
    for seed in range(400):
        chance = random.Random(seed)
        data = copy.deepcopy(good)
        target: object = data
        while True:
            keys = list(target) if isinstance(target, dict) else list(range(len(target)))  # type: ignore[arg-type,call-overload]
            key = chance.choice(keys)
            below = target[key]  # type: ignore[index]
            if isinstance(below, (dict, list)) and below and chance.random() < 0.9:
                target = below
                continue
            target[key] = chance.choice([None, -1, 0, 10**30, "x", "1/0", [], {}, True, [[]], {"symbol": 3}, 1.5])  # type: ignore[index]
            break
        try:
            to_json(loads(json.dumps(data)))
        except SpecError as error:
            assert error.diagnostics[0].code in ("CS802", "CS803")


def test_torn_file() -> None:
    text = dumps(to_json(small_space()))
    for cut in range(0, len(text) - 2, len(text) // 64):
        assert refusal(text[:cut]) == "CS801"


def test_text_of_fields_may_hold_anything() -> None:
    odd = evolve(small_space(), name='a "b"\n\u2028 ☃', doc="")
    assert loads(dumps(to_json(odd))).name == odd.name
    assert loads(dumps(to_json(odd))).stages[0].span == NOWHERE
