"""Numbers of a design for people and programs: objectives with their units, and how a number is written."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cospace.compiler.space.model import Design, Space

_PREFIXES = {-5: "f", -4: "p", -3: "n", -2: "u", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T"}
_POWERS = {prefix: power for power, prefix in _PREFIXES.items() if prefix}
_SCALED = ("J", "s", "J s", "J*s", "W", "Hz")


def objectives(space: Space, design: Design) -> dict[str, dict[str, object]]:
    """Objective's text -> {"value", "unit", "exact"?}: `value` is a JSON number, null for what only running tells."""
    from fractions import Fraction

    from cospace.compiler.exact.exact import Enclosure, evaluate_all

    modelled = [o for o in space.objectives if not o.measured]
    results = dict(zip([o.text for o in modelled], evaluate_all([o.value for o in modelled], design), strict=True))
    answer: dict[str, dict[str, object]] = {}
    for o in space.objectives:
        result = results.get(o.text)
        entry: dict[str, object] = {"value": None, "unit": o.unit}
        if isinstance(result, Fraction):
            shown = result / o.scale
            entry |= {"value": to_float(shown), "exact": str(shown)}
        elif isinstance(result, Enclosure):
            entry["value"] = to_float(result.middle / o.scale)
        answer[o.text] = entry
    return answer


def told(figure: Mapping[str, object]) -> str:
    """A figure of `objectives` without a JSON number: one beyond floats, or one that only running tells."""
    from fractions import Fraction

    from cospace.compiler.space.units import show_in

    if "exact" not in figure:
        return "known only after running"
    return show_in(Fraction(str(figure["exact"])), str(figure["unit"] or ""), Fraction(1))


def to_float(value: object) -> float | None:
    """A JSON number, or None where the value has none (undefined, infinite, too large)."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def human(value: object, unit: str | None = None, digits: int = 4) -> str:
    """A measured or modelled number as a person reads it: four figures, with a prefix for J, s, W, Hz and much data."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return "-" if value is None else str(value)
    if not math.isfinite(value):
        return str(value)
    from cospace.compiler.space.units import COMMON

    sizes = {name: float(scale) for units in COMMON.values() for name, scale in units}
    if unit == "bit" and abs(value) >= sizes["KiB"]:
        unit = next(name for name in ("GiB", "MiB", "KiB") if abs(value) >= sizes[name])
        value /= sizes[unit]
    if unit in ("mJ ms", "uJ us"):
        value, unit = value * sizes[unit], "J s"
    elif unit and unit[1:] in _SCALED and unit[0] in _POWERS:
        value, unit = value * 1000.0 ** _POWERS[unit[0]], unit[1:]
    if unit in _SCALED and value:
        power = max(-5, min(4, math.floor(math.log10(abs(value)) / 3)))
        return f"{value / 1000**power:.{digits}g} {_PREFIXES[power]}{unit}"
    if float(value).is_integer() and abs(value) < 1e15:
        text = f"{int(value):,}"
    elif value and (abs(value) < 1e-3 or abs(value) >= 1e6):
        text = f"{value:.{digits - 1}e}"
    else:
        text = f"{value:,.{digits}g}" if abs(value) < 1000 else f"{value:,.1f}"
    return f"{text} {unit}" if unit else text


def between(bounds: tuple[int, int | None]) -> str:
    """A number that is known, or what it is proved to lie between."""
    low, high = bounds
    if low == high:
        return f"{low:,}"
    return f"at least {low:,}" if high is None else f"between {low:,} and {high:,}"


def ends(bounds: tuple[int, int | None]) -> object:
    """The same for programs: a number as text, or two where it lies between; null where there is no upper one."""
    low, high = bounds
    return str(low) if low == high else [str(low), None if high is None else str(high)]
