"""Texts to fuzz with: what the project has of texts, changed gently (so that most still parse) or roughly.

Each comes from a seed. Owns the changes; what is done with a text is `passes`' business.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests.compiler.texts import generate

ROOT = Path(__file__).parents[2]
TOKEN = re.compile(r'"[^"\n]*"|#[^\n]*|\d[\d_]*(?:\.\d+)?(?:[eE][+-]?\d+)?|\w+|[<>=!]=|->|\.\.|[^\S\n]+|\n|.')
CLASSES = (
    "<= < >= > == !=",
    "+ - * / ^",
    "and or",
    "sum product max min mean count all any",
    "ceil floor abs sqrt log2 log10 log exp cos",
    "choose switch random adapt map",
    "divisors powers factors orders subsets",
    "minimize maximize require",
    "bit byte KiB MiB ns us ms s Hz MHz pJ nJ mW W mm2 dBm dB",
    "true false",
)
KINDS = {word: line.split() for line in CLASSES for word in line.split()}
NUMBERS = [
    "0",
    "1",
    "2",
    "3",
    "7",
    "10",
    "64",
    "1000",
    "0.5",
    "1e-9",
    "1e30",
    "99999999999",
    "0x10",
    "1e400",
    "1000000",
]
WORDS = """{ } ( ) [ ] , ; : = == <= .. . + - * / ^ % -> " ' # \\ & | ! 1 0.5 1e9 1e99999 x y choose random map in by
per at when if then else and or not for def network accelerator part on ask require minimize import std.units as space
param unit work table from step é 漢 ≤ @ $ ~ ? language 1..3 {1,2} f(x) x[1] none"""
PIECES = [*WORDS.split(), "\n", "\t", "\r\n", "\x00", "\x1b", "\ufeff", "\u202e", "\ud800"]
LINES = (
    "require {a} <= {n}",
    "require {a} == {b} when {a} > {n}",
    "require {a} / ({b} - {n}) <= {n}",
    "minimize {a} * {b}",
    "maximize sum({a} * e for e in [{b}, {n}])",
    "extra = choose {{{n}, {m}}}",
    "more = choose divisors({a})",
    "ranged = choose {n}..{m} step {n}",
    "def twice(r) = r * {n} + {a}",
    'require mod({a}, {b}) <= {n} "said"',
    "require log2({a}) <= {n}",
    "param loose = {n}",
    "unit odd = {n} {a}",
    "for i in 1..{n} {{ kept = choose {{{n}, i}} }}",
    "table t(k: real) from [[{n}, {m}]] {{ v: real }}",
    "require t({a}).v <= {n}",
    "named = {a} ^ {b}",
    "many = [choose {{{n}, {m}}} for e in 1..{n}]",
    "import std.energy as {a}",
)


@cache
def corpus() -> tuple[str, ...]:
    """The short texts of the project: golden ones, and every block of the docs and of the pages of diagnostics."""
    found = [p.read_text("utf-8", "replace") for p in sorted((ROOT / "tests" / "golden").rglob("*.cospace"))]
    for folder in (ROOT / "dsl" / "explain", ROOT / "docs"):
        for page in sorted(folder.rglob("*.md")):
            found += re.findall(r"^```cospace[^\n]*\n(.*?)^```", page.read_text("utf-8"), re.S | re.M)
    return tuple(t for t in found if len(t) < 4_000)


@cache
def shipped() -> tuple[str, ...]:
    return tuple(p.read_text("utf-8") for p in sorted((ROOT / "specs").rglob("*.cospace")))


@cache
def generated(seed: int) -> str:
    return generate(seed).text


def text_of(seed: int) -> str | bytes:
    """The text of a seed: one in a hundred is a shipped spec, one in three of the corpus, the others are generated.

    Generating costs more than all passes, so that the generated ones are taken from some that grow with the seed.
    """
    rng = random.Random(seed * 9973 + 17)
    source = rng.random()
    if source < 0.01:
        text = rng.choice(shipped())
    elif source < 0.35:
        text = rng.choice(corpus())
    else:
        text = generated(rng.randrange(100 + seed // 20))
    how = rng.random()
    for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 5, 8])):
        rough = how > 0.9 or (how > 0.7 and rng.random() < 0.4)
        text = rng.choice(ROUGH if rough else GENTLE)(text, rng)
    if how > 0.985:
        data = bytearray(text.encode("utf-8", "surrogatepass"))
        data[rng.randrange(len(data) + 1) : 0] = bytes(rng.choices(range(256), k=rng.randint(1, 4)))
        return bytes(data)
    return text


# ---- gentle changes: a token for another of its kind, whole lines


def _kind(token: str) -> str | None:
    if token[0].isdigit():
        return "number"
    if token in KINDS:
        return token
    return "name" if token[0].isalpha() and token.isidentifier() else None


def _replaced(text: str, rng: random.Random) -> str:
    tokens = TOKEN.findall(text)
    places = [i for i, t in enumerate(tokens) if _kind(t)]
    if not places:
        return text
    at = rng.choice(places)
    kind = _kind(tokens[at])
    if kind == "number":
        near = [t for t in tokens if t[0].isdigit()]
        tokens[at] = rng.choice(near if rng.random() < 0.7 else NUMBERS)
    elif kind == "name":
        tokens[at] = rng.choice([t for t in tokens if _kind(t) == "name"])
    else:
        tokens[at] = rng.choice(KINDS[tokens[at]])
    return "".join(tokens)


def _numbers(text: str, rng: random.Random) -> str:
    places = list(re.finditer(r"(?<![\w.])\d+(?![\w.])", text))
    if not places:
        return text
    at = rng.choice(places)
    return text[: at.start()] + rng.choice(NUMBERS) + text[at.end() :]


def _without_line(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
    return "".join(lines)


def _line_twice(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    if lines:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    return "".join(lines)


def _another_line(text: str, rng: random.Random) -> str:
    names = [t for t in TOKEN.findall(text) if _kind(t) == "name"] or ["x"]
    numbers = [t for t in TOKEN.findall(text) if t[0].isdigit()] or ["1"]
    line = rng.choice(LINES).format(
        a=rng.choice(names), b=rng.choice(names), n=rng.choice(numbers), m=rng.choice(numbers)
    )
    return f"{text.rstrip()}\n{line}\n"


def _wrapped(text: str, rng: random.Random) -> str:
    tokens = TOKEN.findall(text)
    places = [i for i, t in enumerate(tokens) if _kind(t) in ("name", "number")]
    if not places:
        return text
    at = rng.choice(places)
    how = rng.choice(WRAPS)
    tokens[at] = how.format(tokens[at])
    return "".join(tokens)


def _spliced(text: str, rng: random.Random) -> str:
    lines = [line for line in rng.choice(corpus()).splitlines() if line.strip()] or [""]
    return f"{text.rstrip()}\n{rng.choice(lines)}\n"


# ---- rough changes: characters and tokens anywhere


def _piece(text: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(PIECES) + text[at + rng.choice([0, 0, 1, 5, 12]) :]


def _swapped(text: str, rng: random.Random) -> str:
    tokens = TOKEN.findall(text)
    if len(tokens) > 1:
        a, b = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        tokens[a], tokens[b] = tokens[b], tokens[a]
    return "".join(tokens)


def _cut(text: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    return text[:at] if rng.random() < 0.5 else text[at:]


def _words(text: str, rng: random.Random) -> str:
    at = rng.randint(0, len(text))
    return text[:at] + rng.choice(["", " "]).join(rng.choices(PIECES, k=rng.randint(1, 20))) + text[at:]


Change = Callable[[str, random.Random], str]
GENTLE: tuple[Change, ...] = (
    _replaced, _replaced, _replaced, _numbers, _without_line, _line_twice, _another_line, _another_line, _wrapped,
    _spliced,
)  # fmt: skip
WRAPS = ("({})", "abs({})", "(-{})", "max({}, 1)", "(2 * {})", "[{}][1]", "({} ^ 3)", "(1 / {})", "{{{}}}")
ROUGH: tuple[Change, ...] = (_piece, _piece, _swapped, _cut, _words)
