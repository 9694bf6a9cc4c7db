"""Polynomials and quotients of them in one number, exactly: arithmetic, and where they vanish.

A polynomial is the tuple of its coefficients, constant first, without zeros at its end; `()` is zero.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from fractions import Fraction

Poly = tuple[Fraction, ...]
Form = tuple[Poly, Poly]
"""Numerator and denominator."""

ONE: Poly = (Fraction(1),)
DEGREE = 24
BITS = 64
"""How finely a root that is not rational is enclosed."""


class TooHigh(Exception):
    """A polynomial of a larger degree than is looked at."""


def trimmed(p: Sequence[Fraction]) -> Poly:
    n = len(p)
    while n and p[n - 1] == 0:
        n -= 1
    return tuple(p[:n])


def plus(p: Poly, q: Poly) -> Poly:
    if len(p) < len(q):
        p, q = q, p
    return trimmed([a + (q[i] if i < len(q) else 0) for i, a in enumerate(p)])


def times(p: Poly, q: Poly) -> Poly:
    if not p or not q:
        return ()
    if len(p) + len(q) - 2 > DEGREE:
        raise TooHigh
    made = [Fraction(0)] * (len(p) + len(q) - 1)
    for i, a in enumerate(p):
        for j, b in enumerate(q):
            made[i + j] += a * b
    return trimmed(made)


def scaled(p: Poly, by: Fraction) -> Poly:
    return tuple(a * by for a in p) if by else ()


def at(p: Poly, x: Fraction) -> Fraction:
    found = Fraction(0)
    for a in reversed(p):
        found = found * x + a
    return found


def constant(value: Fraction) -> Form:
    return trimmed([value]), ONE


def add(a: Form, b: Form) -> Form:
    if a[1] == b[1]:
        return plus(a[0], b[0]), a[1]
    return plus(times(a[0], b[1]), times(b[0], a[1])), times(a[1], b[1])


def negative(a: Form) -> Form:
    return scaled(a[0], Fraction(-1)), a[1]


def multiply(a: Form, b: Form) -> Form:
    return times(a[0], b[0]), times(a[1], b[1])


def value(f: Form, x: Fraction) -> Fraction | None:
    below = at(f[1], x)
    return at(f[0], x) / below if below else None


def slope(f: Form) -> Poly:
    """The numerator of the derivative."""
    n, d = f
    return plus(times(_derived(n), d), scaled(times(n, _derived(d)), Fraction(-1)))


def _derived(p: Poly) -> Poly:
    return trimmed([a * i for i, a in enumerate(p)][1:])


def roots(p: Poly, low: Fraction | None, high: Fraction | None) -> list[tuple[Fraction, Fraction]]:
    """The roots strictly between low and high (None: no end), in order: equal ends where rational, else an enclosure.

    p is not zero.
    """
    if len(p) < 2:
        return []
    if len(p) == 2:
        x = -p[0] / p[1]
        return [(x, x)] if (low is None or low < x) and (high is None or x < high) else []
    if len(p) == 3:
        return [r for r in _of_square(p, low, high) if (low is None or low < r[1]) and (high is None or r[0] < high)]
    bound = 1 + max(abs(a / p[-1]) for a in p[:-1])
    bottom, top = -bound if low is None else low, bound if high is None else high
    if bottom >= top:
        return []
    chain = _chain(p)
    found: list[tuple[Fraction, Fraction]] = []
    _isolate(p, chain, bottom, top, _changes(chain, bottom), _changes(chain, top), found)
    return [r for r in found if bottom < r[1] and r[0] < top and r != (bottom, bottom) and r != (top, top)]


def _of_square(p: Poly, low: Fraction | None, high: Fraction | None) -> list[tuple[Fraction, Fraction]]:
    """Both roots of a polynomial of degree 2, by its formula; enclosures leave out `low` and `high`, and each other."""
    scale = math.lcm(*(a.denominator for a in p)) * (1 if p[2] > 0 else -1)
    c, b, a = (int(x * scale) for x in p)
    inside = b * b - 4 * a * c
    if inside < 0:
        return []
    whole = math.isqrt(inside)
    if whole * whole == inside:
        return [(x, x) for x in dict.fromkeys((Fraction(-b - whole, 2 * a), Fraction(-b + whole, 2 * a)))]
    bits = BITS + max(0, b.bit_length() - inside.bit_length() // 2)
    found: list[tuple[Fraction, Fraction]] = []
    for sign in (-1, 1):
        fine = bits
        while True:
            root = math.isqrt(inside << 2 * fine)
            ends = sorted(Fraction((-b << fine) + sign * r, 2 * a << fine) for r in (root, root + 1))
            if not any(x is not None and ends[0] <= x <= ends[1] for x in (low, high)):
                break
            fine *= 2
        found.append((ends[0], ends[1]))
    return found


def _chain(p: Poly) -> list[Poly]:
    """Sturm's chain of the polynomial's square-free part."""
    chain = [p, _derived(p)]
    while chain[-1]:
        chain.append(scaled(_remainder(chain[-2], chain[-1]), Fraction(-1)))
    chain.pop()
    if len(chain[-1]) > 1:  # a common divisor: repeated roots
        return _chain(_quotient(p, chain[-1]))
    return chain


def _remainder(p: Poly, q: Poly) -> Poly:
    while len(p) >= len(q):
        shift = (Fraction(0),) * (len(p) - len(q))
        p = plus(p, scaled((*shift, *q), -p[-1] / q[-1]))
    return p


def _quotient(p: Poly, q: Poly) -> Poly:
    made = [Fraction(0)] * (len(p) - len(q) + 1)
    while len(p) >= len(q):
        by = p[-1] / q[-1]
        made[len(p) - len(q)] = by
        p = plus(p, scaled(((Fraction(0),) * (len(p) - len(q)) + q), -by))
    return trimmed(made)


def _changes(chain: list[Poly], x: Fraction) -> int:
    signs = [v > 0 for v in (at(p, x) for p in chain) if v]
    return sum(a != b for a, b in itertools.pairwise(signs))


def _isolate(
    p: Poly, chain: list[Poly], low: Fraction, high: Fraction, below: int, above: int,
    found: list[tuple[Fraction, Fraction]],
) -> None:  # fmt: skip
    """The roots in (low, high], halved until each is alone, then until it is rational or enclosed finely."""
    count = below - above
    if count <= 0:
        return
    if count == 1:
        found.append(_refined(chain, low, high, below))
        return
    middle = (low + high) / 2
    between = _changes(chain, middle)
    _isolate(p, chain, low, middle, below, between, found)
    _isolate(p, chain, middle, high, between, above, found)


def _refined(chain: list[Poly], low: Fraction, high: Fraction, below: int) -> tuple[Fraction, Fraction]:
    """The one root in (low, high]: a rational one has a denominator that divides the leading coefficient."""
    p = chain[0]
    lead = int(abs(p[-1] * math.lcm(*(a.denominator for a in p))))
    width = (high - low) / 2**BITS
    tried = False
    while high - low > width or not tried:
        if not tried and (high - low) * lead < 1:
            tried = True
            guess = Fraction(math.floor(high * lead), lead)
            if low < guess and at(p, guess) == 0:
                return guess, guess
        middle = (low + high) / 2
        if at(p, middle) == 0:
            return middle, middle
        if below - _changes(chain, middle) > 0:
            high = middle
        else:
            low = middle
    return low, high
