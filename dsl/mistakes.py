"""The wording of syntax errors: what was found, what was expected in words, and the likely cause."""

from __future__ import annotations

import re

from attrs import frozen
from cospace.dsl.build import RESERVED
from cospace.dsl.diagnostics import Diagnostic, Fix, Label, Span
from cospace.dsl.mistaken_forms import BINDINGS, FORMS
from cospace.dsl.newlines import Frame
from cospace.dsl.suggest import closest
from lark import Token

OUTSIDE = "by its indentation, this is outside already"
_SIGNS = {
    "LPAR": "`(`", "RPAR": "`)`", "LSQB": "`[`", "RSQB": "`]`", "LBRACE": "`{`", "RBRACE": "`}`", "COMMA": "`,`",
    "EQUAL": "`=`", "COLON": "`:`", "DOT": "`.`", "ARROW": "`->`", "DOTS": "`..`", "PERCENT": "`%`", "POWER": "`^`",
    "SEMICOLON": "`;`",
}  # fmt: skip
_EXPRESSION = frozenset(("NUMBER", "STRING", "LPAR", "LSQB", "NAME", "MINUS"))
_OPERATORS = frozenset(("PLUS", "MINUS", "TIMES", "OVER", "COMPARE", "POWER", "AND", "OR", "DOTS", "AT", "STEP"))
_AFTER_VALUE = frozenset(("DOT", "LPAR", "LSQB", "NAME", "PERCENT", "STRING"))
_ENDS = frozenset(("_NL", "SEMICOLON", "$END"))
_STARTERS = (
    "space", "import", "param", "unit", "def", "work", "network", "accelerator", "part", "table", "on", "require",
    "minimize", "maximize", "for", "language",
)  # fmt: skip

DECLARES = re.compile(
    r"[ \t]*(require|minimize|maximize|def|network|accelerator|part|on|import|param|space|table|work|unit|search"
    r"|train|precision)\b(?=[ \t]+[^ \t\n=,})]|[ \t]*\{)"
)
"""A line that begins a statement, wherever it stands."""

# ruff: noqa: RUF001  (these are the signs that people paste)
_FOREIGN = {
    "&&": "`and`", "&": "`and`", "||": "`or`", "|": "`or`", "!": "`not`", "~": "`not`", "**": "`^` for powers",
    "≤": "`<=`", "≥": "`>=`", "≠": "`!=`", "×": "`*`", "·": "`*`", "÷": "`/`", "−": "`-`", "–": "`-`", "→": "`->`",
    "…": "`..`", "“": 'straight quotes `"`', "”": 'straight quotes `"`', "‘": 'straight quotes `"`',
    "’": 'straight quotes `"`', "µ": "`u` (as in `us`)", "²": "`^ 2`",
}  # fmt: skip
_FOREIGN_WORDS = {
    "return": "the last line of a block is its value: leave `return` out",
    "let": "a name is given its value by `name = …` alone",
    "var": "a name is given its value by `name = …` alone",
    "const": "a name is given its value by `name = …` alone; `param name = …` for what `--set` overrides",
    "elif": "write `else if`",
    "while": "loops have a range: `for i in 1..n { … }`",
    "class": "a network is declared by `network`, hardware by `accelerator`, all else by `def`",
    "func": "what can be called is declared by `def name(…)`",
    "fn": "what can be called is declared by `def name(…)`",
    "assert": "write `require … \"reason\"`",
}  # fmt: skip


@frozen
class Mistake:
    """A token that can't stand where it does.

    expected: terminals that could. frames: open brackets, the file first. last: type of the token before.
    begun: where the statement or element begins.
    """

    text: str
    path: str
    token: Token
    expected: frozenset[str]
    frames: tuple[Frame, ...]
    last: str
    begun: int

    @property
    def start(self) -> int:
        return self.token.start_pos or 0

    @property
    def span(self) -> Span:
        length = 1 if self.token.type == "_NL" else len(self.token)
        return Span(self.path, self.start, self.start + length)

    @property
    def first_word(self) -> str:
        match = re.compile(r"\w+").match(self.text, self.begun)
        return match.group() if match else ""


def explain_mistake(m: Mistake) -> Diagnostic:
    """The diagnostic of a syntax error."""
    for reason in (
        _odd_character, _closes_nothing, _never_closed, _is_or_equals, _foreign_word, _misspelt, _reserved,
        *FORMS, _keyword_amid,
    ):  # fmt: skip
        found = reason(m)
        if found is not None:
            return found
    return _error("CS101", m.span, f"expected {_words(m)}, found {describe(m.token)}", _hint(m))


def describe(token: Token) -> str:
    """A token as a sentence names it."""
    if token.type == "_NL":
        return "the end of the line"
    if token.type == "$END":
        return "the end of the file"
    if token.type == "NUMBER":
        return f"the number `{_short(token)}`"
    if token.type == "STRING":
        return f"the text `{_short(token)}`"
    if token.type == "NAME":
        return f"the name `{_short(token)}`"
    word = str(token)
    return f"the word `{word}`" if word.isalpha() else f"`{_short(token)}`"


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:37] + "…"


def _error(
    code: str, span: Span, message: str, help: str | None = None, labels: tuple[Label, ...] = (), fix: Fix | None = None
) -> Diagnostic:
    return Diagnostic(code, "error", message, span, labels, help, fix)


def _replace(m: Mistake, span: Span, word: str) -> Fix:
    """The repair that writes `word` instead of what stands at `span`, with a space where it would touch a word."""
    before, after = m.text[span.start - 1 : span.start], m.text[span.end : span.end + 1]
    left = " " if word[0].isalnum() and before.isalnum() else ""
    right = " " if word[-1].isalnum() and (after.isalnum() or after == "_") else ""
    return Fix(span, left + word + right, f"write `{word}`")


# ---- the usual causes


def _odd_character(m: Mistake) -> Diagnostic | None:
    if m.token.type != "BAD":
        return None
    sign = str(m.token)
    if sign[0] == "?":
        return _error("CS104", m.span, "`?` means nothing here", "a value under a condition: `if … then … else …`")
    if sign[0] == '"':
        return _error("CS105", m.span, "this text is not closed on its line", 'end it with `"`; inside, write `\\"`')
    if sign[0] == "'":
        plain = len(sign) > 1 and sign[-1] == "'" and '"' not in sign
        fix = Fix(m.span, f'"{sign[1:-1]}"', "write double quotes") if plain else None
        return _error("CS104", m.span, "texts stand in double quotes", "replace `'` by `\"`", fix=fix)
    known = _FOREIGN.get(sign) or _FOREIGN.get(sign[0])
    shown = f"`{sign}`" if sign.isprintable() else f"the character U+{ord(sign[0]):04X}"
    said = re.search(r"`([^`]*)`", known) if known else None
    fix = _replace(m, m.span, said.group(1)) if said and sign in _FOREIGN else None
    return _error("CS104", m.span, f"{shown} means nothing here", f"did you mean {known}?" if known else None, fix=fix)


def _closes_nothing(m: Mistake) -> Diagnostic | None:
    sign = str(m.token)
    if m.token.type not in ("RPAR", "RSQB", "RBRACE"):
        return None
    wanted = {"RPAR": "(", "RSQB": "[", "RBRACE": "{"}[m.token.type]
    kinds = [f.opener.value if f.opener is not None else "{" for f in m.frames[1:]]
    if wanted not in kinds:
        return _error("CS103", m.span, f"`{sign}` closes nothing", f"remove it, or open it with `{wanted}` before")
    if kinds[-1] != wanted:
        return _unclosed(m, m.frames[-1])
    return None


def _never_closed(m: Mistake) -> Diagnostic | None:
    frame = m.frames[-1]
    if frame.opener is None:
        return None
    if frame.kind == "set" and DECLARES.match(m.text, m.begun) and _starts_line(m.text, m.begun):
        return _unclosed(m, frame)
    return _unclosed(m, frame) if m.token.type == "$END" or outside(m) is not None else None


def outside(m: Mistake) -> int | None:
    """Where the text goes on that, by its indentation, an open `(` or `[` no longer holds; None where it still does.

    `y = f(a` and below it `z = 3` is seen at `=`, when `z` was already taken for a unit or an argument.
    """
    frame = m.frames[-1]
    if frame.kind not in ("(", "[") or frame.opener is None or m.token.type in ("COMMA", "RPAR", "RSQB"):
        return None
    line = m.text.rfind("\n", 0, m.start) + 1
    opened = m.text.rfind("\n", 0, frame.opener.start_pos) + 1
    before = m.text[line : m.start]
    second = re.fullmatch(r"\s*\w+\s*", before) and (m.token.type == "EQUAL" or DECLARES.match(m.text, line))
    if line == opened or (before.strip() and not second):
        return None
    return line + _indent(m.text, line) if _indent(m.text, line) <= _indent(m.text, opened) else None


def _indent(text: str, line: int) -> int:
    end = line
    while end < len(text) and text[end] in " \t":
        end += 1
    return end - line


def _starts_line(text: str, position: int) -> bool:
    return not text[text.rfind("\n", 0, position) + 1 : position].strip()


def _unclosed(m: Mistake, frame: Frame) -> Diagnostic:
    opener = frame.opener
    assert opener is not None
    start = opener.start_pos or 0
    at = Span(m.path, start, start + 1)
    label = Label(m.span, f"found {describe(m.token)}")
    help = f"add `{ {'(': ')', '[': ']', '{': '}'}[str(opener)] }`"
    below = outside(m)
    if below is not None and below < m.start:
        label = Label(Span(m.path, below, m.start).to(m.span), OUTSIDE)
    fix = None
    if str(opener) == "{":
        place = _dedent(m.text, start)
        if place is not None:
            label = Label(Span(m.path, place, place + 1), OUTSIDE)
            line = m.text.rfind("\n", 0, place) + 1
            end = m.text.find("\n", len(m.text[:line].rstrip())) + 1  # blank lines stay below it
            fix = Fix(Span(m.path, end, end), f"{m.text[line:place]}}}\n", "close it by its indentation")
            only = m.text[start + 1 : end - 1]
            if frame.kind == "set" and not re.search(r'["#\n]', only):
                fix = Fix(Span(m.path, end - 1, end - 1), "}", "close it at the end of its line")
    return _error("CS102", at, f"`{opener}` is never closed", help, (label,), fix)


def _dedent(text: str, brace: int) -> int | None:
    """The first text after `brace` that stands no further right than the line of `brace`, unless it closes."""
    line = text.rfind("\n", 0, brace) + 1
    indent = len(text[line:brace]) - len(text[line:brace].lstrip())
    position = text.find("\n", brace) + 1
    while position:
        end = text.find("\n", position)
        written = text[position : end if end >= 0 else len(text)]
        body = written.lstrip()
        if body and body[0] not in "#})]" and len(written) - len(body) <= indent:
            return position + len(written) - len(body)
        position = end + 1
    return None


def _is_or_equals(m: Mistake) -> Diagnostic | None:
    if m.token.type != "EQUAL":
        return None
    if "COMPARE" in m.expected and m.first_word in ("require", "if", "on"):
        said = "`=` gives a name its value and can't compare"
        after = m.text[m.start + 1 : m.start + 2]
        if after in ("<", ">"):
            span = Span(m.path, m.start, m.start + 2)
            fix = _replace(m, span, f"{after}=")
            return _error("CS112", span, said, f"did you mean `{after}=`?", fix=fix)
        return _error("CS112", m.span, said, "did you mean `==`?", fix=_replace(m, m.span, "=="))
    return None


def _foreign_word(m: Mistake) -> Diagnostic | None:
    word = m.first_word
    if m.token.type == "STRING" or m.start == m.begun:
        return None
    between = m.text[m.begun + len(word) : m.start]
    if word in _FOREIGN_WORDS and re.fullmatch(r"[ \t]+(\w+[ \t]*)?", between):
        span = Span(m.path, m.begun, m.begun + len(word))
        return _error("CS101", span, f"`{word}` is no word of the language", _FOREIGN_WORDS[word])
    return None


def _misspelt(m: Mistake) -> Diagnostic | None:
    """`requir x <= 3`: two words in a row at the start, the first close to a keyword."""
    word = m.first_word
    between = m.text[m.begun + len(word) : m.start]
    if word in RESERVED or m.start == m.begun or "\n" in between or re.search(r"[=({]", between):
        return None
    ends = m.token.type in ("_NL", "$END")
    if m.token.type in ("EQUAL", "BY", "COLON") or not between[:1].isspace() or (ends and not between.strip()):
        return None
    near = closest(word, _STARTERS)
    if near is None or (ends and near not in ("require", "minimize", "maximize")):
        return None
    span = Span(m.path, m.begun, m.begun + len(word))
    said = f"`{word}` begins no statement"
    return _error("CS101", span, said, f"did you mean `{near}`?", fix=_replace(m, span, near))


def _reserved(m: Mistake) -> Diagnostic | None:
    word = m.first_word
    if m.token.type == "EQUAL" and word in RESERVED and m.text[m.begun + len(word) : m.start].strip() == "":
        return _error(
            "CS106", Span(m.path, m.begun, m.begun + len(word)),
            f"`{word}` is a reserved word and can't name anything here",
            f"choose another name, for example `{word}_`",
        )  # fmt: skip
    word = str(m.token)
    if word not in RESERVED or "NAME" not in m.expected:
        return None
    follows = m.text[m.start + len(word) : m.start + len(word) + 12].lstrip()
    if m.expected == {"NAME"} or follows[:1] in ("=", ",", ")", "."):
        return _error(
            "CS106", m.span, f"`{word}` is a reserved word and can't name anything here",
            f"choose another name, for example `{word}_`",
        )  # fmt: skip
    return None


_DECISION = re.compile(r"\w+(?:[ \t]+\w+)?[ \t]*\{[^{}\n]*\}(?:[ \t]+(?P<unit>[^\W\d]\w*))?")


def _keyword_amid(m: Mistake) -> Diagnostic | None:
    """A reserved word in the middle of an expression, which the lexer took for a name."""
    before = re.search(r"(?<!\w)(\w+)[ \t]*\Z", m.text[max(0, m.start - 40) : m.start])
    if m.last != "NAME" or before is None or m.token.type in ("_NL", "$END"):
        return None
    word = before[1]
    start = m.start - len(before.group())
    span = Span(m.path, start, start + len(word))
    if word in BINDINGS:
        written = _DECISION.match(m.text, start)
        fix = None
        if written is not None:
            end = written.start("unit") if written["unit"] in RESERVED else written.end()
            shown = m.text[start:end].rstrip()
            fix = Fix(Span(m.path, start, start + len(shown)), f"({shown})", "put it in parentheses")
        said = "a decision beside an operator stands in parentheses"
        return _error("CS101", span, said, f"write `({word} …)`", fix=fix)
    if word in ("require", "minimize", "maximize"):
        if _starts_line(m.text, start):
            said = f"`{word}` begins a statement, and the one before it is not finished"
            return _error("CS101", span, said, "finish the line before, or leave out what it ends with")
        help = f"under a condition: `{word} … when …`"
        return _error("CS101", span, f"`{word}` begins a statement and can't stand in an expression", help)
    return None


def _hint(m: Mistake) -> str | None:
    found = m.token.type
    before = re.search(r"(\w+)[ \t]*\Z", m.text[max(0, m.start - 40) : m.start])
    if found == "LBRACE" and before and (near := closest(before[1], BINDINGS)):
        return f"did you mean `{near}`?"
    if found in ("_NL", "$END", "SEMICOLON") and m.expected >= {"FROM", "EQUAL", "LBRACE"}:
        return 'a `def` has a body: `= expression`, `{ … }`, or `from "module.name"`'
    if found == "WHEN" and m.last == "STRING":
        return 'the text stands last: `… when … "text"`'
    if found == "FOR" and m.frames[-1].kind == "set":
        return "a comprehension stands in brackets: `[e for x in domain when condition]`"
    if found == "FOR" and m.first_word in ("require", "minimize", "maximize"):
        return f"for each value: `for i in … {{ {m.first_word} … }}`"
    if found == "NUMBER" and before and before[1] == "to":
        return "a range is written with two dots: `1..4`"
    if found == "STRING" and m.last == "SPACE":
        return 'a space has a name, then its text: `space name "text"`'
    if m.last == "IMPORT" and found in ("STRING", "DOTS", "DOT", "OVER"):
        return "a module is named without its ending, folders below this one by dots: `import folder.module`"
    if found == "EQUAL" and m.last == "COLON":
        return "a name is given its value by `=` alone"
    if found == "OVER" and m.text[m.start + 1 : m.start + 2] == "/":
        return "comments begin with `#`"
    if found == "DOT" and m.last == "DOTS":
        return "a range is written with two dots: `1..4`"
    if m.last == "PERCENT" and found in ("NUMBER", "NAME", "LPAR"):
        return "`%` stands after a number; the remainder is `mod(a, b)`"
    if found == "_NL" and "LBRACE" in m.expected and not m.expected & _ENDS:
        return "the block's `{` stands on the same line as what it belongs to"
    if "THEN" in m.expected and found in ("COLON", "LBRACE", "_NL", "$END"):
        return "a condition is an expression: `if … then … else …`"
    if "ELSE" in m.expected and found in ("_NL", "$END", "SEMICOLON", "RBRACE", "RPAR"):
        return "an `if` is an expression and needs its `else`"
    if found == "ELSE":
        return "`else` needs an `if … then …` before it, in one expression"
    if found == "EQUAL" and m.frames[-1].kind in ("(", "set"):
        name = re.search(r"\n[ \t]*(\w+)[ \t]*\Z", m.text[max(0, m.start - 200) : m.start])
        if name is not None:
            return f"a comma is missing at the end of the line before `{name.group(1)}`"
    if found == "EQUAL" and "COMPARE" in m.expected:
        return "a comparison is written `==`; a value is given to a name at the start of a line"
    if found == "PERCENT":
        return "`%` stands after a number; the remainder is `mod(a, b)`"
    if found == "OVER" and m.last == "OVER":
        return "comments begin with `#`; a whole quotient is `floor(a / b)`"
    if found == "TIMES" and m.last == "TIMES":
        return "a power is written `^`"
    if found in ("NUMBER", "NAME") and "COMMA" in m.expected and _starts_line(m.text, m.start):
        return "a comma is missing at the end of the line before"
    if found == "NUMBER" and m.expected & {"PLUS", "TIMES"} and m.last in ("NUMBER", "NAME", "RPAR", "RSQB"):
        return "an operator or a comma is missing before it"
    if found == "NAME" and m.last in ("NAME", "NUMBER", "RPAR", "RSQB") and m.expected & {"PLUS", "TIMES"}:
        return "an operator or a comma is missing before it; a unit stands only after a number"
    if found == "STRING" and m.expected & {"PLUS", "TIMES"}:
        return None
    if found == "DOT" and m.text[m.start + 1 : m.start + 2].isdigit():
        return f"a number begins with a digit: `0.{m.text[m.start + 1]}`"
    if m.frames[-1].kind in ("(", "[") and _starts_line(m.text, m.start) and "COMMA" in m.expected:
        return "a comma is missing at the end of the line before"
    return None


def _words(m: Mistake) -> str:
    """What could stand here, in words: at most four kinds."""
    rest = set(m.expected) - {"CONTINUE", "COMMENT"}
    said: list[str] = []
    if rest >= _EXPRESSION - {"NAME"}:
        statement = "REQUIRE" in rest or "ACCELERATOR" in rest
        said.append("a statement" if statement else "an expression")
        rest &= {"RBRACE"} if statement else {"RPAR", "RSQB", "RBRACE"}
    elif rest & {"PLUS", "TIMES"} or (rest & {"COMPARE", "AND"} and len(rest & _OPERATORS) >= 2):
        said.append("an operator")
        rest -= _OPERATORS | _AFTER_VALUE
    if rest & _ENDS:
        ends = "the end of the line"
        rest -= _ENDS
    else:
        ends = ""
    if m.frames[-1].kind != "file" and m.frames[-1].opener is not None:
        rest -= {"RPAR", "RSQB", "RBRACE"} - {{"(": "RPAR", "[": "RSQB", "{": "RBRACE"}[str(m.frames[-1].opener)]}
    else:
        rest -= {"RPAR", "RSQB", "RBRACE"}
    if m.frames[-1].kind != "set" and ends and "operator" in " ".join(said):
        rest -= {"COMMA", "EQUAL", "COLON", "LBRACE", "RBRACE", "BY", "PER", "WHEN", "FOR", "THEN", "ELSE", "OF"}
    plain = [t for t in sorted(rest) if t in _SIGNS]
    words = [t for t in sorted(rest) if t not in _SIGNS]
    said += ["a name" if t == "NAME" else _term(t) for t in words[:4]]
    said += [_SIGNS[t] for t in plain[:4]]
    if ends:
        said.append(ends)
    if not said:
        return "something else"
    return said[0] if len(said) == 1 else ", ".join(said[:-1]) + " or " + said[-1]


def _term(terminal: str) -> str:
    named = {
        "STRING": "a text", "NUMBER": "a number", "COMPARE": "a comparison", "BINDING": "`choose`", "OVER": "`/`",
        "TIMES": "`*`", "PLUS": "`+`", "MINUS": "`-`",
    }  # fmt: skip
    return named.get(terminal, f"`{terminal.lower()}`")
