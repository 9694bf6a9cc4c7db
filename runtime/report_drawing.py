"""The chosen design as a drawing: the network as boxes, each accelerator as a picture of its parameters.

Drawn from the plan and the decisions alone. Two whole numbers that one statement declares (`rows, cols = choose …`) are
an array, one whole number is a strip of cells, bits are a memory, anything else is a label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fractions import Fraction
from html import escape

from attrs import frozen
from cospace.compiler.exact.exact import evaluate
from cospace.compiler.space.graph import Expr, Symbol, Value
from cospace.compiler.space.model import Call, Choice, Decision, Design, Input, NetworkPlan, Space, show

TIMES = " \u00d7 "
BIT = (("bit", Fraction(1)),)
WIDE, HIGH, GAP = 168, 82, 26
PER_ROW = 5
MOST_BOXES = 60
MOST_CELLS = 64


@frozen
class Box:
    """One box: its title, lines below, and the boxes it reads."""

    title: str
    lines: tuple[str, ...]
    reads: tuple[int, ...]
    given: bool = False
    light: bool = False


def draw_network(plan: NetworkPlan, space: Space, design: Design) -> str:
    """The chosen path through the network, left to right and row by row, as an SVG element."""
    boxes = _boxes(plan, space, design)
    if not boxes or len(boxes) > MOST_BOXES:
        return ""
    level: list[int] = []
    for box in boxes:
        level.append(1 + max((level[i] for i in box.reads), default=-1))
    slots: dict[int, int] = {}
    place: list[tuple[int, int]] = []
    for number in level:
        place.append((number, slots.get(number, 0)))
        slots[number] = slots.get(number, 0) + 1
    tallest = {
        row: max(n for lv, n in slots.items() if lv // PER_ROW == row) for row in {lv // PER_ROW for lv in slots}
    }
    tops, top = {}, 8.0
    for row in sorted(tallest):
        tops[row] = top
        top += tallest[row] * (HIGH + 14) + GAP
    at = [(8 + (lv % PER_ROW) * (WIDE + GAP), tops[lv // PER_ROW] + slot * (HIGH + 14)) for lv, slot in place]
    parts = [_arrow(at[i], at[j], place[i][0], place[j][0]) for j, box in enumerate(boxes) for i in box.reads]
    parts += [_box(box, x, y) for box, (x, y) in zip(boxes, at, strict=True)]
    width = 16 + min(PER_ROW, max(level) + 1) * (WIDE + GAP)
    return _svg("network", width, top, parts)


def _boxes(plan: NetworkPlan, space: Space, design: Design) -> list[Box]:
    """Boxes of what the design runs, in topological order. Side inputs, such as a graph, are named in their readers."""
    chosen: dict[int, int] = {}
    live: set[int] = set()
    stack = [plan.output]
    while stack:
        i = stack.pop()
        node = plan.nodes[i]
        if i in live:
            continue
        live.add(i)
        if isinstance(node, Choice):
            taken = dict(node.options).get(design.get(node.decision))  # type: ignore[arg-type]
            if taken is None:
                return []
            chosen[i] = taken
            stack.append(taken)
        elif isinstance(node, Call):
            stack.extend(j for _, j in node.inputs)

    def source(i: int) -> int:
        while i in chosen:
            i = chosen[i]
        return i

    led: set[int] = {source(plan.output)}
    for i in live:
        node = plan.nodes[i]
        if isinstance(node, Call) and node.inputs:
            led.add(source(node.inputs[0][1]))
    boxes: list[Box] = []
    number: dict[int, int] = {}
    by_decision = {c.decision: c for c in plan.nodes if isinstance(c, Choice)}
    for i in sorted(live):
        node = plan.nodes[i]
        if isinstance(node, Input) and i in led:
            number[i] = len(boxes)
            boxes.append(Box(node.name, (f"{node.task}.{node.field}", _shape(node.shape, design)), (), given=True))
        elif isinstance(node, Call):
            sources = [source(j) for _, j in node.inputs]
            reads = tuple(dict.fromkeys(number[j] for j in sources if j in number))
            unseen = [n.name for j in sources if j not in number and isinstance(n := plan.nodes[j], Input)]
            number[i] = len(boxes)
            boxes.append(_call_box(node, design, reads, unseen, by_decision))
    return boxes


def _call_box(
    call: Call, design: Design, reads: tuple[int, ...], unseen: list[str], choices: Mapping[str, Choice]
) -> Box:
    arguments = [f"{n} {t}" for n, e in call.arguments if n in _asked(call) and (t := _text(e, design))]
    facts = [f"{n} {t}" for n, e in call.facts if (t := _text(e, design))]
    where = call.path.rpartition(".")[0] if call.path.rpartition(".")[0] in choices else call.path
    lines = (", ".join([*arguments, *(f"on {n}" for n in unseen)]), ", ".join(facts), _shape(call.shape, design))
    light = not call.works and not call.state
    return Box(call.operator, (where, *(line for line in lines if line)), reads, light=light)


def _asked(call: Call) -> set[str]:
    """Arguments worth showing: those that a decision decides, and few others."""
    decided = {n for n, e in call.arguments if e.op == "var"}
    return decided or {n for n, e in call.arguments if e.is_const}


def _text(expr: Expr, design: Design) -> str:
    value = evaluate(expr, design)
    if isinstance(value, Fraction):
        plain = show(value, "bit" if expr.type.unit == BIT else None)
        return str(plain) if value.denominator == 1 else f"{float(value):.4g}"
    if isinstance(value, Symbol):
        return value.name
    return str(value) if isinstance(value, (str, bool)) else ""


def _shape(shape: tuple[Expr, ...], design: Design) -> str:
    return TIMES.join(_text(e, design) or "?" for e in shape)


def _arrow(a: tuple[float, float], b: tuple[float, float], before: int, after: int) -> str:
    x1, y1, x2, y2 = a[0] + WIDE, a[1] + HIGH / 2, b[0], b[1] + HIGH / 2
    if before // PER_ROW != after // PER_ROW:
        x1, y1, middle = a[0] + WIDE / 2, a[1] + HIGH, b[1] - GAP / 2
        path = f"M{x1} {y1}V{middle}H{x2 + WIDE / 2}V{b[1] - 3}"
    elif after - before > 1:
        x1, x2 = a[0] + WIDE / 2, b[0] + WIDE / 2
        path = f"M{x1} {a[1]}C{x1} {a[1] - 24} {x2} {b[1] - 24} {x2} {b[1] - 3}"
    else:
        path = f"M{x1} {y1}C{x1 + GAP / 2} {y1} {x2 - GAP / 2} {y2} {x2 - 3} {y2}"
    return f'<path class="wire" d="{path}" marker-end="url(#tip)"/>'


def _box(box: Box, x: float, y: float) -> str:
    kind = "given" if box.given else "light" if box.light else "box"
    lines = [f'<text class="name" x="{x + 10}" y="{y + 18}">{escape(_cut(box.title))}</text>']
    lines += [
        f'<text class="{"where" if i == 0 else "fact"}" x="{x + 10}" y="{y + 33 + 13 * i}">{escape(_cut(line))}</text>'
        for i, line in enumerate(box.lines[:4])
    ]
    return f'<rect class="{kind}" x="{x}" y="{y}" width="{WIDE}" height="{HIGH}" rx="7"/>' + "".join(lines)


def _cut(text: str, most: int = 27) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


# ---- accelerators


def draw_accelerators(space: Space, design: Design) -> str:
    """Every accelerator with decisions, its parts beside each other, as an SVG element."""
    owners: dict[str, list[Decision]] = {}
    for d in space.decisions:
        if d.path in design and any(_below(d.path, a.path) for a in space.accelerators):
            owners.setdefault(_owner(d.path), []).append(d)
    parts: list[str] = []
    x, tallest = 8.0, 0.0
    for owner, decisions in owners.items():
        drawn, width, height = _chip(owner, decisions, design, x, 8.0)
        parts += drawn
        x += width + GAP
        tallest = max(tallest, height)
    return _svg("accelerator", x, tallest + 16, parts) if parts else ""


def _below(path: str, owner: str) -> bool:
    return path.startswith((owner + ".", owner + "["))


def _owner(path: str) -> str:
    depth = 0
    for i in range(len(path) - 1, -1, -1):
        depth += {"]": 1, "[": -1}.get(path[i], 0)
        if path[i] == "." and depth == 0:
            return path[:i]
    return path


def _chip(owner: str, decisions: list[Decision], design: Design, x: float, y: float) -> tuple[list[str], float, float]:
    """(elements, width, height) of one accelerator or part, drawn with its corner at (x, y)."""
    left, top, right, tallest = x + 14, y + 30, x + 240.0, 0.0
    inside: list[str] = []
    labels: list[str] = []
    for group in _families(decisions):
        values = [design[d.path] for d in group]
        names = TIMES.join(d.path.removeprefix(owner + ".") for d in group)
        counts = [int(v) for v in values if _is_count(v)]
        unit = group[0].type.unit
        if len(group) == 2 and len(counts) == 2 and not unit:
            drawn, width, height = _array(counts[0], counts[1], left, top + 16)
            title = f"{names} = {counts[0]}{TIMES}{counts[1]}"
        elif unit == BIT and isinstance(values[0], Fraction):
            drawn, width, height = _memory(group[0], values[0], left, top + 16)
            title = f"{names} = {_shown(group[0], values[0])}"
        elif len(group) == 1 and len(counts) == 1 and not unit and not isinstance(values[0], bool):
            drawn, width, height = _strip(counts[0], left, top + 16)
            title = f"{names} = {counts[0]}"
        else:
            labels += [f"{d.path.removeprefix(owner + '.')} = {_shown(d, design[d.path])}" for d in group]
            continue
        inside.append(f'<text class="fact" x="{left}" y="{top + 9}">{escape(title)}</text>{drawn}')
        width = max(width, 6.0 * len(title))
        right, tallest = max(right, left + width + 14), max(tallest, height)
        left += width + 22
    bottom = top + 16 + tallest + (14 if tallest else 0)
    for label in labels:
        inside.append(f'<text class="fact" x="{x + 14}" y="{bottom + 6}">{escape(label)}</text>')
        right, bottom = max(right, x + 28 + 6.2 * len(label)), bottom + 15
    frame = f'<rect class="chip" x="{x}" y="{y}" width="{right - x}" height="{bottom - y + 6}" rx="9"/>'
    title = f'<text class="name" x="{x + 14}" y="{y + 20}">{escape(owner)}</text>'
    return [frame, title, *inside], right - x, bottom - y + 6


def _families(decisions: list[Decision]) -> Iterator[list[Decision]]:
    """Decisions that one statement declares stay together."""
    found: dict[object, list[Decision]] = {}
    for d in decisions:
        place = (d.span.file, d.span.start) if d.span.end > d.span.start else d.path
        found.setdefault(place, []).append(d)
    for group in found.values():
        yield from [group] if len(group) <= 2 else [[d] for d in group]


def _is_count(value: Value) -> bool:
    return isinstance(value, Fraction) and value.denominator == 1 and value >= 0


def _shown(decision: Decision, value: Value) -> str:
    text = show(value, decision.unit, decision.scale)
    return ("yes" if text else "no") if isinstance(text, bool) else str(text)


def _array(rows: int, columns: int, x: float, y: float) -> tuple[str, float, float]:
    """A grid of rows x columns cells, at the true count up to 64 a side, else hatched."""
    cell = max(2.0, min(9.0, 190 / max(rows, columns, 1)))
    width, height = cell * min(columns, MOST_CELLS), cell * min(rows, MOST_CELLS)
    lines = "".join(f"M{x + i * cell:.1f} {y}v{height:.1f}" for i in range(1, min(columns, MOST_CELLS)))
    lines += "".join(f"M{x} {y + i * cell:.1f}h{width:.1f}" for i in range(1, min(rows, MOST_CELLS)))
    frame = f'<rect class="cells" x="{x}" y="{y}" width="{width:.1f}" height="{height:.1f}"/>'
    return f'{frame}<path class="lattice" d="{lines}"/>', width, height


def _strip(count: int, x: float, y: float) -> tuple[str, float, float]:
    shown = min(count, MOST_CELLS)
    cells = "".join(
        f'<rect class="cells" x="{x + (i % 16) * 10}" y="{y + (i // 16) * 10}" width="8" height="8"/>'
        for i in range(shown)
    )
    return cells, 10.0 * min(max(shown, 1), 16), 10.0 * (shown + 15) // 16 if shown > 16 else 10.0


def _memory(decision: Decision, value: Fraction, x: float, y: float) -> tuple[str, float, float]:
    """A block that fills with the share of the largest size that the decision allows."""
    largest = max((v for v in decision.values if isinstance(v, Fraction)), default=value) or Fraction(1)
    share = float(value / largest)
    outline = f'<rect class="empty" x="{x}" y="{y}" width="90" height="56" rx="3"/>'
    fill = f'<rect class="memory" x="{x}" y="{y + 56 * (1 - share):.1f}" width="90" height="{56 * share:.1f}" rx="3"/>'
    return outline + fill, 90.0, 56.0


def _svg(name: str, width: float, height: float, parts: list[str]) -> str:
    tip = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path class="tip" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    return (
        f'<svg class="drawing" role="img" aria-label="{name}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'style="max-width:{width:.0f}px">{tip}{"".join(parts)}</svg>'
    )
