"""Exact and enclosed numbers: the values of the reference evaluator and its arithmetic.

A rational stays one. A real is an `Enclosure`, two rationals around it, with a `term` that says how it was made, so
that a number compared with itself is equal however wide its bounds are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from fractions import Fraction

from attrs import field, frozen, mutable
from cospace.compiler.exact import enclosures
from cospace.compiler.exact.enclosures import Bounds, GivenUp
from cospace.compiler.space.graph import Symbol
from cospace.compiler.space.rationals import rational

LARGEST_BITS = 1 << 16
"""A rational longer than this is given up as unknown."""


@frozen
class Undefined:
    def __repr__(self) -> str:
        return "UNDEFINED"


@frozen
class Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNDEFINED = Undefined()
UNKNOWN = Unknown()


@frozen
class Enclosure:
    """A real number between two rationals. Equal `term`s are the same number, however wide the bounds."""

    low: Fraction
    high: Fraction
    term: int

    @property
    def middle(self) -> Fraction:
        return (self.low + self.high) / 2


Result = Fraction | bool | Symbol | str | Enclosure | Undefined | Unknown
Inner = Result | int
"""While it is reckoned with, a whole number is mostly an int."""


@mutable(eq=False)
class Precision:
    """Digits of enclosures, the names of the reals met so far, and how many more maps may be assigned."""

    digits: int
    assignments: float = math.inf
    terms: dict[object, int] = field(factory=dict)

    def term(self, *key: object) -> int:
        return self.terms.setdefault(key, len(self.terms))


def _ends(x: Inner) -> Bounds:
    if isinstance(x, Enclosure):
        return x.low, x.high
    assert isinstance(x, (int, Fraction))
    return Fraction(x), Fraction(x)


def _key(x: Inner) -> object:
    return ("real", x.term) if isinstance(x, Enclosure) else x


def compare(op: str, a: Inner, b: Inner) -> bool | Unknown:
    if a.__class__ is Fraction and b.__class__ is Fraction:
        x, y = a.numerator * b.denominator, b.numerator * a.denominator
        return x == y if op == "eq" else x < y if op == "lt" else x <= y
    if not isinstance(a, Enclosure) and not isinstance(b, Enclosure):
        if op == "eq":
            return a == b
        return a < b if op == "lt" else a <= b  # type: ignore[operator]
    if isinstance(a, Enclosure) and isinstance(b, Enclosure) and a.term == b.term:
        return op != "lt"
    (al, ah), (bl, bh) = _ends(a), _ends(b)
    if ah < bl:
        return op != "eq"
    if bh < al:
        return False
    return UNKNOWN


def _enclose(bounds: Bounds, to: Precision, *key: object) -> Result:
    low, high = bounds
    if low == high:
        return low
    low, high = enclosures.outward(low, high, to.digits + 10)
    return Enclosure(low, high, to.term(*key))


def _shortened(above: int, below: int) -> int | Fraction:
    """above / below, a whole number as an int; unless that is too long."""
    if below != 1:
        common = math.gcd(above, below)
        above, below = above // common, below // common
    if above.bit_length() > LARGEST_BITS or below.bit_length() > LARGEST_BITS:
        raise GivenUp
    return above if below == 1 else rational(above, below)


def total(args: Iterable[Fraction | int]) -> tuple[int, int]:
    """A sum as numerator and denominator, its common divisor left to look for: once, for sums over works are long."""
    above, below = 0, 1
    for a in args:
        mine = a.denominator
        if mine == below:
            above += a.numerator
        else:
            common = math.gcd(mine, below)
            above = above * (mine // common) + a.numerator * (below // common)
            below = below // common * mine
    return above, below


def _rationals(args: list[Inner]) -> list[int | Fraction]:
    return [a for a in args if a.__class__ is int or a.__class__ is Fraction]


def _add(args: list[Inner], to: Precision) -> Inner:
    known = _rationals(args)
    if len(known) == len(args):
        return _shortened(*total(known))
    exact = rational(*total(known))
    real = [a for a in args if isinstance(a, Enclosure)]
    low, high = exact + sum(a.low for a in real), exact + sum(a.high for a in real)
    if exact == 0 and len(real) == 1:
        return real[0]
    return _enclose((low, high), to, "add", exact, *sorted(a.term for a in real))


def _product(a: Bounds, b: Bounds) -> Bounds:
    ends = [x * y for x in a for y in b]
    return min(ends), max(ends)


def _mul(args: list[Inner], to: Precision) -> Inner:
    above, below = 1, 1
    known = _rationals(args)
    for k in known:
        above *= k.numerator
        if k.__class__ is Fraction:
            below *= k.denominator
    exact = _shortened(above, below)
    if len(known) == len(args) or exact == 0:
        return exact
    real = [a for a in args if isinstance(a, Enclosure)]
    if exact == 1 and len(real) == 1:
        return real[0]
    bounds = Fraction(exact), Fraction(exact)
    for a in real:
        bounds = _product(bounds, _ends(a))
    return _enclose(bounds, to, "mul", exact, *sorted(a.term for a in real))


def _div(args: list[Inner], to: Precision) -> Inner:
    a, b = args
    if isinstance(b, (int, Fraction)):
        if b == 0:
            return UNDEFINED
        if not isinstance(a, (int, Fraction)):
            return _mul([1 / Fraction(b), a], to)
        above, below = a.numerator * b.denominator, a.denominator * b.numerator
        return _shortened(above, below) if below > 0 else _shortened(-above, -below)
    low, high = _ends(b)
    if low <= 0 <= high:
        return UNKNOWN
    if isinstance(a, Enclosure) and isinstance(b, Enclosure) and a.term == b.term:
        return 1
    if a == 0:
        return 0
    return _enclose(_product(_ends(a), (1 / high, 1 / low)), to, "div", _key(a), _key(b))


def _rounded(round_: str, args: list[Inner]) -> Inner:
    (a,) = args
    if isinstance(a, (int, Fraction)):
        above, below = a.numerator, a.denominator
        return above // below if round_ == "floor" else -(-above // below)
    whole = math.floor if round_ == "floor" else math.ceil
    low, high = (whole(x) for x in _ends(a))
    return low if low == high else UNKNOWN


def _mod(args: list[Inner], to: Precision) -> Inner:
    quotient = _div(args, to)
    if isinstance(quotient, (Undefined, Unknown)):
        return quotient
    whole = _rounded("floor", [quotient])
    if isinstance(whole, Unknown):
        return UNKNOWN
    return _add([args[0], _mul([-1, args[1], whole], to)], to)


def _extreme(pick: str, args: list[Inner], to: Precision) -> Inner:
    choose = min if pick == "min" else max
    known = _rationals(args)
    if len(known) == len(args):
        best, *others = known
        for a in others:
            if compare("lt", *((a, best) if pick == "min" else (best, a))):
                best = a
        return best
    bounds = [_ends(a) for a in args]
    low, high = choose(b[0] for b in bounds), choose(b[1] for b in bounds)
    near = {_key(a): a for a, b in zip(args, bounds, strict=True) if b[0] <= high and b[1] >= low}
    if len(near) == 1:
        return next(iter(near.values()))
    return _enclose((low, high), to, pick, frozenset(near))


def _abs(args: list[Result], to: Precision) -> Inner:
    a = args[0]
    low, high = _ends(a)
    if low >= 0:
        return a
    if high <= 0:
        return _mul([Fraction(-1), a], to)
    return _enclose((Fraction(0), max(-low, high)), to, "abs", _key(a))


def _sqrt(args: list[Result], to: Precision) -> Inner:
    a = args[0]
    low, high = _ends(a)
    if high < 0:
        return UNDEFINED
    if low < 0:
        return UNKNOWN
    if isinstance(a, Fraction):
        root = enclosures.exact_root(a, 2)
        if root is not None:
            return root
    return _enclose(enclosures.sqrt(low, high, to.digits), to, "sqrt", _key(a))


_LOGARITHMS: dict[str, Callable[[Fraction, Fraction, int], Bounds]] = {
    "log2": enclosures.log2,
    "log10": enclosures.log10,
    "log": enclosures.ln,
}


def _log(op: str, args: list[Result], to: Precision) -> Inner:
    a = args[0]
    low, high = _ends(a)
    if high <= 0:
        return UNDEFINED
    if low <= 0:
        return UNKNOWN
    if isinstance(a, Fraction):
        if a == 1:
            return Fraction(0)
        whole = enclosures.exact_log(a, 2 if op == "log2" else 10) if op != "log" else None
        if whole is not None:
            return whole
    return _enclose(_LOGARITHMS[op](low, high, to.digits), to, op, _key(a))


def _smooth(op: str, args: list[Result], to: Precision) -> Inner:
    a = args[0]
    if a == 0:
        return Fraction(1)
    low, high = _ends(a)
    function = enclosures.exp if op == "exp" else enclosures.cos
    return _enclose(function(low, high, to.digits), to, op, _key(a))


def _pow(args: list[Result], to: Precision) -> Inner:
    base, exponent = args
    if isinstance(exponent, Fraction) and exponent.denominator == 1:
        return _whole_power(base, int(exponent), to)
    (low, high), (el, eh) = _ends(base), _ends(exponent)
    if high < 0:
        return UNDEFINED
    if base == 0:
        return UNDEFINED if eh < 0 else Fraction(0) if el > 0 else UNKNOWN
    if low <= 0:
        return UNKNOWN
    if isinstance(base, Fraction) and isinstance(exponent, Fraction):
        root = enclosures.exact_root(base, exponent.denominator)
        if root is not None:
            return _whole_power(root, exponent.numerator, to)
    bounds = enclosures.power((low, high), (el, eh), to.digits)
    return _enclose(bounds, to, "pow", _key(base), _key(exponent))


def _whole_power(base: Result, n: int, to: Precision) -> Inner:
    if n == 0:
        return Fraction(1)
    if n < 0:
        return _div([Fraction(1), _whole_power(base, -n, to)], to)
    if isinstance(base, Fraction):
        longest = max(base.numerator.bit_length(), base.denominator.bit_length())
        if base not in (0, 1, -1) and longest * n > LARGEST_BITS:
            raise GivenUp
        return base**n if base not in (0, 1, -1) else base if n % 2 else base * base
    low, high = _ends(base)
    if n * max(e.numerator.bit_length() + e.denominator.bit_length() for e in (low, high)) > LARGEST_BITS:
        if low <= 0 or n > LARGEST_BITS:
            raise GivenUp
        bounds = enclosures.power((low, high), (Fraction(n), Fraction(n)), to.digits)
        return _enclose(bounds, to, "pow", _key(base), n)
    ends = sorted((low**n, high**n))
    if n % 2 == 0 and low < 0 < high:
        ends[0] = Fraction(0)
    return _enclose((ends[0], ends[1]), to, "pow", _key(base), n)


Rule = Callable[[list[Inner], Precision], Inner]


def _of_fractions(rule: Callable[[list[Result], Precision], Inner]) -> Rule:
    """A rule that knows rationals as fractions only."""
    return lambda args, to: rule([Fraction(a) if a.__class__ is int else a for a in args], to)  # type: ignore[misc]


ARITHMETIC: dict[str, Rule] = {
    "add": _add,
    "mul": _mul,
    "div": _div,
    "mod": _mod,
    "floor": lambda args, to: _rounded("floor", args),
    "ceil": lambda args, to: _rounded("ceil", args),
    "min": lambda args, to: _extreme("min", args, to),
    "max": lambda args, to: _extreme("max", args, to),
    "pow": _of_fractions(_pow),
    "sqrt": _of_fractions(_sqrt),
    "abs": _of_fractions(_abs),
    "log2": _of_fractions(lambda args, to: _log("log2", args, to)),
    "log10": _of_fractions(lambda args, to: _log("log10", args, to)),
    "log": _of_fractions(lambda args, to: _log("log", args, to)),
    "exp": _of_fractions(lambda args, to: _smooth("exp", args, to)),
    "cos": _of_fractions(lambda args, to: _smooth("cos", args, to)),
}
