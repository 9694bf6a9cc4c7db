"""A mapping as a file: whether JSON is a record of `mapping.describe`, and the mappings that it gives."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any, NoReturn

from cospace.compiler.elaborate.given import CODE, Given
from cospace.dsl.diagnostics import NOWHERE, Diagnostic, SpecError

FORMAT = "cospace mapping"
SCHEMA = 1
_WRITTEN = "`cospace explain SPEC --mapping --out FILE` writes one"


def read_given(data: object, shown: str) -> dict[str, list[Given]]:
    """Work -> the mappings that a file's JSON gives for it. Raises SpecError (CS817) where it holds none.

    Of each layer only `works`, `rule`, `at` and `maps` are read, so that a file may be written by hand.
    """
    if not isinstance(data, dict) or data.get("format") != FORMAT or data.get("schema") != SCHEMA:
        refuse(f"{shown} is not a mapping", _WRITTEN)
    layers = data.get("layers")
    if not isinstance(layers, list):
        refuse(f"{shown} lists no layers", _WRITTEN)
    found: dict[str, list[Given]] = {}
    for n, layer in enumerate(layers, 1):
        if not _is(layer, works=_list_of(_is_text), rule=_is_text) or not all(
            isinstance(layer.get(k) or {}, dict) for k in ("at", "maps")
        ):
            refuse(f"layer {n} of {shown} needs `works`, a list of paths, its `rule`, and `maps`, each with its value")
        given = Given(layer["rule"], layer.get("at") or {}, layer.get("maps") or {})
        for path in layer["works"] if given.maps else ():
            mine = found.setdefault(path, [])
            if any(g.rule == given.rule and g.at == given.at for g in mine):
                refuse(f"{shown} has two mappings for `{path}`", "a work stands in the `works` of one layer")
            mine.append(given)
    return found


def refuse(message: str, help: str | None = None) -> NoReturn:
    """Raise SpecError (CS817)."""
    raise SpecError((Diagnostic(CODE, "error", message, NOWHERE, help=help),)) from None


def dumps(record: Mapping[str, Any]) -> str:
    """A record as text: each entry of a layer on a line of its own, so that it is changed by hand with ease."""
    lines = [f" {_text(k)}: {_text(v)}," for k, v in record.items() if k != "layers"]
    layers = [",\n".join(f"   {_text(k)}: {_text(v)}" for k, v in layer.items()) for layer in record["layers"]]
    inside = ",\n".join(f"  {{\n{layer}\n  }}" for layer in layers)
    return "{\n" + "\n".join(lines) + f'\n "layers": [\n{inside}\n ]\n}}\n'


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


# ---- whether it is whole

Check = Callable[[Any], bool]


def is_record(data: object) -> bool:
    """Whether a value is a whole record of `describe`, whoever wrote it."""
    return _is(data, space=_is_text, layers=_list_of(_is_layer))


def _is_layer(data: Any) -> bool:
    return _is(
        data, works=_list_of(_is_text, 1), rule=_is_text, times=_is_number, at=_dict_of(_is_value),
        maps=_or_none(_dict_of(_is_value)), loops=_list_of(_is_level), quantities=_dict_of(_is_figure),
        splits=_dict_of(_dict_of(_is_part)), missing=_or_none(_is_missing),
    ) and (data["maps"] is None) == (data["missing"] is not None)  # fmt: skip


def _is_level(data: Any) -> bool:
    return _is(
        data, level=_is_text, loops=_list_of(lambda x: _is(x, loop=_is_text, trips=_is_value)), parallel=_is_bool
    )


def _is_missing(data: Any) -> bool:
    return _is(data, missing=_list_of(_is_shortage), unknown=_or_none(_is_text))


def _is_shortage(data: Any) -> bool:
    figures = dict.fromkeys(("needs", "there", "missing"), _or_none(_is_part))
    if not _is(data, requirement=_or_none(_is_text), strict=_is_bool, **figures):
        return False
    return len({data[k] is None for k in figures}) == 1


def _is_figure(data: Any) -> bool:
    """A number, a condition or a symbol."""
    return _is_part(data) or _is(data, value=lambda v: isinstance(v, bool | str), unit=_is_text)


def _is_part(data: Any) -> bool:
    return _is(data, value=_is_number, unit=_is_text, exact=_or_none(_is_rational))


def _is(data: Any, **fields: Check) -> bool:
    return isinstance(data, dict) and all(k in data and check(data[k]) for k, check in fields.items())


def _list_of(check: Check, least: int = 0) -> Check:
    return lambda data: isinstance(data, list) and len(data) >= least and all(map(check, data))


def _dict_of(check: Check) -> Check:
    return lambda data: isinstance(data, dict) and all(map(check, data.values()))


def _or_none(check: Check) -> Check:
    return lambda data: data is None or check(data)


def _is_text(data: Any) -> bool:
    return isinstance(data, str)


def _is_bool(data: Any) -> bool:
    return isinstance(data, bool)


def _is_number(data: Any) -> bool:
    return isinstance(data, int | float) and not isinstance(data, bool) and abs(data) < float("inf")


def _is_value(data: Any) -> bool:
    return isinstance(data, bool | str) or _is_number(data)


def _is_rational(data: Any) -> bool:
    try:
        return isinstance(data, str) and len(data) < 10_000 and Fraction(data) is not None
    except (ValueError, ZeroDivisionError):
        return False


__all__ = ["FORMAT", "SCHEMA", "dumps", "is_record", "read_given", "refuse"]
