"""Syntax errors with one repair: forms of other languages, and of this one, that are written a little otherwise."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cospace.dsl.build import RESERVED
from cospace.dsl.diagnostics import Diagnostic, Fix, Span
from cospace.dsl.suggest import closest

if TYPE_CHECKING:
    from cospace.dsl.mistakes import Mistake

NEAR = 80
"""Signs around a mistake that are searched: a text may be one long line."""
BINDINGS = ("choose", "switch", "random", "adapt", "map")

_LABELLED = re.compile(rf"(?<!\w)(?:{'|'.join(BINDINGS)})[ \t]+(\w+)[ \t]+\Z")
_UNIT = r"(?:[ \t]+(?!step\b)[^\W\d]\w*)?"
_DOMAIN = re.compile(
    rf"\w+\([^()\n]*\)|-?[\w.]+?{_UNIT}\.\.-?[\w.]+{_UNIT}(?:[ \t]+step[ \t]+[\w.]+{_UNIT})?"
)  # fmt: skip
"""`divisors(12)`, `4..16 bit step 4 bit`."""
_GIVES = re.compile(r"\w+[ \t]*=(?![=<>])")
_LAST_NAME = re.compile(r"(?<=[\w\"\])}])(?P<gap>[ \t]+)(?P<name>[^\W\d]\w*)[ \t]*\Z")
_MEMBERS = re.compile(r"\([^()\n]*\)")


_BINDING_OF = re.compile(rf"(\w+)[ \t]*:[ \t]*(?:{'|'.join(BINDINGS)})\b")
_BEFORE = re.compile(r"(?:[=(\[,{][ \t]*|[-+*/][ \t]*)(?P<word>[^\W\d]\w*)[ \t]+\Z")
_TIMES = re.compile(r"(?P<left>\w+)[)\]]?[ \t]+(?P<x>x)[ \t]+[\w(]")
_NOT_IN = re.compile(
    r"(?P<left>[\w.]+(?:\[[^\[\]\n]*\])?)[ \t]+(?P<not>not)[ \t]+in[ \t]+(?P<right>[\w.]+|\{[^{}\n]*\})"
)
_DECIDED = re.compile(rf"(?P<name>\w+)(?:\[(?P<index>\w+)\])?[ \t]*=[ \t]*(?P<binding>{'|'.join(BINDINGS)})\b")
_FOR_EACH = re.compile(r"for[ \t]+(?P<name>\w+)[ \t]+in[ \t]+(?P<range>[^\n#\"{}]+)")
_TEXT = re.compile(r'[ \t]*"')
_COMPARED = re.compile(r"[<>]=?|[=!]=")


def label_without_braces(m: Mistake) -> Diagnostic | None:
    """`choose depth 1..4`: a label stands before braces."""
    before = _LABELLED.search(m.text[max(0, m.start - NEAR) : m.start])
    if before is None or before[1] in RESERVED or m.token.type not in ("NUMBER", "NAME", "MINUS"):
        return None
    domain = _DOMAIN.match(m.text, m.start)
    fix = None
    if domain is not None:
        fix = Fix(Span(m.path, *domain.span()), f"{{{domain.group()}}}", "put it in braces")
    shown = domain.group() if domain is not None else "…"
    said = f"`{before[1]}` is a label of this decision, and what it labels stands in braces"
    return _told(m.span, said, f"write `{before[1]} {{{shown}}}`", fix)


def argument_without_comma(m: Mistake) -> Diagnostic | None:
    """`f(a = 3 b = 4)`: seen at the second `=`, for `b` may be a unit, or at `b`."""
    if m.frames[-1].kind not in ("(", "set"):
        return None
    line = m.text.rfind("\n", 0, m.start) + 1
    if m.token.type == "EQUAL" and m.last == "NAME":
        before = _LAST_NAME.search(m.text, max(line, m.start - NEAR), m.start)
        if before is None:
            return None
        name, at, end = before["name"], before.start("gap"), before.end("name")
    elif (
        m.token.type == "NAME" and "COMMA" in m.expected and (_GIVES.match(m.text, m.start) or "PLUS" not in m.expected)
    ):
        name, end = str(m.token), m.start + len(m.token)
        at = len(m.text[: m.start].rstrip(" \t"))
        if at <= line:
            return None
    else:
        return None
    span = Span(m.path, end - len(name), end)
    fix = Fix(Span(m.path, at, at), ",", f"put a comma before `{name}`")
    return _told(span, f"a comma is missing before `{name}`", f"write `, {name}`", fix)


def word_for_equal(m: Mistake) -> Diagnostic | None:
    """`if form is direct`, `mode equals fast`, `mode is not fast`."""
    if m.token.type != "NAME" or str(m.token) not in ("is", "equals", "isnt") or "COMPARE" not in m.expected:
        return None
    negated = re.compile(r"[ \t]+not\b").match(m.text, m.start + len(m.token))
    sign = "!=" if negated or str(m.token) == "isnt" else "=="
    span = Span(m.path, m.start, negated.end() if negated else m.start + len(m.token))
    written = m.text[span.start : span.end]
    return _told(
        span, f"`{written}` compares nothing here", f"did you mean `{sign}`?", Fix(span, sign, f"write `{sign}`")
    )


def colon_for_block(m: Mistake) -> Diagnostic | None:
    """`for i in 1..3:`, `def f(x): x + 1`."""
    if m.token.type != "COLON":
        return None
    if (
        m.first_word in ("require", "minimize", "maximize")
        and not m.text[m.begun + len(m.first_word) : m.start].strip()
    ):
        said = f"`{m.first_word}` is followed by what it asks for, without a colon"
        return _told(m.span, said, "leave the colon out", Fix(m.span, "", "leave the colon out"))
    if "LBRACE" not in m.expected:
        return None
    line_ends = m.text.find("\n", m.start)
    rest = m.text[m.start + 1 : line_ends if line_ends >= 0 else len(m.text)].partition("#")[0].strip()
    if "EQUAL" in m.expected and rest:
        gives = Fix(m.span, " =", "write `=`")
        return _told(m.span, "what a `def` gives is written after `=`", "write `= …`, or a block `{ … }`", gives)
    fix = None if rest else Fix(m.span, " {", "open the block by `{`", sure=False)
    return _told(m.span, "a block stands in braces, not behind a colon", "write `{ … }`", fix)


def decision_for_each(m: Mistake) -> Diagnostic | None:
    """`bits = choose {4, 8} for l in 1..4`, `bits[l] = choose …`: a list of decisions stands in brackets."""
    if str(m.token) != "for" or m.frames[-1].kind not in ("file", "block"):
        return None
    head = _DECIDED.match(m.text, m.begun, m.start)
    loop = _FOR_EACH.match(m.text, m.start)
    if head is None:
        return None
    fix = None
    if loop is not None and head["index"] in (None, loop["name"]):
        said = m.text[head.start("binding") : loop.end()].rstrip()
        fix = Fix(Span(m.path, m.begun, m.begun + len(m.text[m.begun : loop.end()].rstrip())),
                  f"{head['name']} = [{said}]", "put it in brackets")  # fmt: skip
    ranged = f"{loop['name']} in {loop['range'].strip()}" if loop is not None else "… in …"
    help = f"write `{head['name']} = [{head['binding']} … for {ranged}]`, and read `{head['name']}[1]`"
    if loop is not None and "layer" in loop["range"]:
        help += "; one for each layer of a network is `choose … per layer`"
    return _told(m.span, "one decision for each index is a list of them, in brackets", help, fix)


def comma_before_text(m: Mistake) -> Diagnostic | None:
    """`require a >= 64, "enough"`."""
    if m.token.type != "COMMA" or m.frames[-1].kind not in ("file", "block"):
        return None
    if _TEXT.match(m.text, m.start + 1) is None:
        return None
    said = "the text for readers follows without a comma"
    return _told(m.span, said, "leave the comma out", Fix(m.span, "", "leave the comma out"))


def misspelt_binding(m: Mistake) -> Diagnostic | None:
    """`chose 4..32`."""
    before = _BEFORE.search(m.text, max(0, m.start - NEAR), m.start)
    if before is None or m.token.type not in ("NUMBER", "LBRACE", "NAME") or before["word"] in RESERVED:
        return None
    near = closest(before["word"], BINDINGS)
    if near is None or (m.token.type == "NAME" and near == "map"):
        return None
    span = Span(m.path, *before.span("word"))
    return _told(span, f"`{before['word']}` begins no decision", f"did you mean `{near}`?", _write(span, near))


def colon_for_equal(m: Mistake) -> Diagnostic | None:
    """`rows: choose 4..64`."""
    head = _BINDING_OF.match(m.text, m.begun)
    if head is None or head.end() > m.start:
        return None
    at = m.text.index(":", m.begun)
    span = Span(m.path, len(m.text[:at].rstrip()), at + 1)
    return _told(span, "a name is given its value by `=`", f"write `{head[1]} = …`", _write(span, " ="))


def sign_in_two(m: Mistake) -> Diagnostic | None:
    """`a < = b`."""
    before = re.search(r"([<>!])[ \t]+\Z", m.text[max(0, m.start - 8) : m.start])
    if m.token.type != "EQUAL" or m.last not in ("COMPARE", "BAD") or before is None:
        return None
    span = Span(m.path, m.start - len(before.group()), m.start + 1)
    return _told(span, "this sign is torn in two", f"did you mean `{before[1]}=`?", _write(span, f"{before[1]}="))


def without_require(m: Mistake) -> Diagnostic | None:
    """`area <= 3 mm2 "fits"`."""
    said = m.text[m.begun : m.start]
    if m.token.type != "STRING" or m.frames[-1].kind not in ("file", "block") or m.first_word in RESERVED:
        return None
    if "\n" in said or not _COMPARED.search(said) or re.match(r"\w+[ \t]*=(?!=)", said):
        return None
    span = Span(m.path, m.begun, m.begun + len(said.rstrip()))
    fix = Fix(Span(m.path, m.begun, m.begun), "require ", "begin it with `require`")
    return _told(span, "a condition alone asks for nothing", "write `require …`", fix)


def other_keyword(m: Mistake) -> Diagnostic | None:
    """`require a if b`, `for i = 1..3`, `minimize a, b`, `a x b`, `{1; 2}`."""
    word = m.first_word
    if str(m.token) == "if" and word in ("require", "on") and m.frames[-1].kind in ("file", "block"):
        return _told(m.span, "a requirement's condition follows `when`", "did you mean `when`?", _write(m.span, "when"))
    if m.token.type == "EQUAL" and word == "for" and m.expected == {"IN"}:
        return _told(m.span, "a loop runs over what stands after `in`", "did you mean `in`?", _write(m.span, "in"))
    if m.token.type == "COMMA" and word in ("minimize", "maximize") and m.frames[-1].kind in ("file", "block"):
        after = len(m.text[m.start + 1 :]) - len(m.text[m.start + 1 :].lstrip(" \t"))
        fix = Fix(Span(m.path, m.start, m.start + 1 + after), f"\n{word} ", f"write another `{word}`")
        return _told(m.span, "each objective is a statement of its own", f"write another `{word} …`", fix)
    times = (
        _TIMES.search(m.text, max(0, m.start - NEAR), m.start + NEAR)
        if str(m.token) == "x" and "TIMES" in m.expected
        else None
    )
    if times is not None and times.start("x") == m.start and times["left"] not in RESERVED:
        return _told(m.span, f"`{m.token}` multiplies nothing", "did you mean `*`?", _write(m.span, "*"))
    within = _NOT_IN.search(m.text, max(0, m.start - NEAR), m.start + NEAR) if str(m.token) == "not" else None
    if within is not None and within.start("not") == m.start and within["left"] not in RESERVED:
        fix = Fix(Span(m.path, *within.span()), f"not ({within['left']} in {within['right']})", "put `not` before it")
        return _told(m.span, "`not` stands before what it denies", "write `not (… in …)`", fix)
    if str(m.token) == "contains" and "COMPARE" in m.expected:
        return _told(m.span, "`contains` compares nothing here", "what is inside stands first: `member in set`", None)
    if m.token.type == "SEMICOLON" and m.frames[-1].kind == "set":
        return _told(m.span, "commas part the members of a set", "did you mean `,`?", _write(m.span, ","))
    typed = re.match(r"\w+[ \t]*:[^\n,]*\Z", m.text[m.begun : m.start])
    if m.token.type == "COMMA" and typed and m.frames[-1].kind == "block":
        return _told(m.span, "columns stand one a line, or `;` parts them", "did you mean `;`?", _write(m.span, ";"))
    return None


def _write(span: Span, text: str) -> Fix:
    return Fix(span, text, f"write `{text.strip()}`")


def closed_below(text: str, start: int) -> bool:
    """Whether a block that a colon begins is closed by a `}` that stands no further right than its header."""
    line = text.rfind("\n", 0, start) + 1
    indent = len(text[line:start]) - len(text[line:start].lstrip())
    for written in text[start:].split("\n")[1:]:
        body = written.lstrip()
        if body and body[0] != "#" and len(written) - len(body) <= indent:
            return body[0] == "}"
    return False


def parentheses_for_set(m: Mistake) -> Diagnostic | None:
    """`level in (o1, o2)`, `choose (1, 2)`."""
    frame = m.frames[-1]
    if m.token.type != "COMMA" or frame.kind != "(" or frame.opener is None:
        return None
    start = frame.opener.start_pos or 0
    before = re.search(r"(?<!\w)(\w+)[ \t]*\Z", m.text[max(0, start - 40) : start])
    written = _MEMBERS.match(m.text, start)
    fix = None
    if before is not None and before[1] in ("in", *BINDINGS) and written is not None:
        fix = Fix(Span(m.path, *written.span()), f"{{{written.group()[1:-1]}}}", "write a set: `{ … }`")
    said = "a set stands in braces, `{a, b}`; a list in brackets, `[a, b]`"
    return _told(m.span, "several values can't stand in parentheses", said, fix)


def _told(span: Span, message: str, help: str, fix: Fix | None) -> Diagnostic:
    return Diagnostic("CS101", "error", message, span, (), help, fix)


FORMS = (
    comma_before_text, colon_for_equal, decision_for_each, misspelt_binding, sign_in_two, without_require,
    other_keyword, label_without_braces, argument_without_comma, word_for_equal, colon_for_block, parentheses_for_set,
)  # fmt: skip
