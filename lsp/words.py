"""What the built-in functions and values are, in a line each: for the editor's help."""

from __future__ import annotations

BUILT_IN: dict[str, tuple[str, str]] = {
    "ceil": ("ceil(x)", "least whole number that is not below x"),
    "floor": ("floor(x)", "largest whole number that is not above x"),
    "abs": ("abs(x)", "x without its sign"),
    "sqrt": ("sqrt(x)", "square root; its unit is the root of x's"),
    "log2": ("log2(x)", "logarithm to base 2 of a plain number"),
    "log10": ("log10(x)", "logarithm to base 10 of a plain number"),
    "log": ("log(x)", "natural logarithm of a plain number"),
    "exp": ("exp(x)", "e to the power of a plain number"),
    "cos": ("cos(x)", "cosine of a plain number"),
    "mod": ("mod(a, b)", "a - b * floor(a / b)"),
    "sum": ("sum(a, b, …), sum(list), sum(e for x in domain when c)", "the sum; a work counts as often as it comes"),
    "product": ("product(…)", "product of several values, of a list, or of `e for x in domain`"),
    "max": ("max(…, empty = e)", "greatest of several values or of a list; `empty` is what it is of none"),
    "min": ("min(…, empty = e)", "least of several values or of a list; `empty` is what it is of none"),
    "mean": ("mean(…, empty = e)", "mean of several values, of a list, or of what is bound later: `e for path`"),
    "all": ("all(…)", "whether every condition holds"),
    "any": ("any(…)", "whether a condition holds"),
    "count": ("count(…)", "how many there are, or how many conditions hold"),
    "divisors": ("divisors(n)", "the whole numbers that divide n, as a domain"),
    "powers": ("powers(base, most)", "1, base, base ^ 2, … up to most, as a domain"),
    "factors": ("factors(n, k)", "every list of k whole numbers with the product n, as a domain"),
    "orders": ("orders(set)", "every order of a set, as a domain of lists"),
    "subsets": ("subsets(set)", "every subset of a set, as a domain"),
    "down_to": ("down_to(order, set)", "what stands in an order down to the innermost member of the set"),
    "each": ("each(e for path)", "an objective for each value of what is bound later"),
    "true": ("true", "the Boolean"),
    "false": ("false", "the Boolean"),
    "none": ("none", "the symbol for nothing"),
    "pi": ("pi", "the ratio of a circle's circumference to its diameter"),
}  # fmt: skip
"""Name -> how it is called, what it is."""
