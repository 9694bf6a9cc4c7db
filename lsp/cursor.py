"""What is being typed at a place: a member, a unit, one side of a comparison, an argument of a call. Read off the text.

The text need not be whole: what stands before the cursor in its statement is all that is looked at.
"""

from __future__ import annotations

import re

from attrs import evolve, frozen

_NAME = r"[^\W\d]\w*"
_STEP = rf"{_NAME}(?:\[[^\[\]]*\])*"
_MEMBER = re.compile(rf"(?<![\w.])({_STEP}(?:\.{_STEP})*)\.(?:{_NAME})?$")
_AFTER_NUMBER = re.compile(rf"(?<![\w.])\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?(?:\s*/\s*\d+)? +(?:{_NAME})?$")
_WORD = re.compile(rf"(?:{_NAME})?$")
_BESIDE = re.compile(r"(==|!=|<=|>=|<|>|(?<![-+*/^=<>!(,{\[])[-+]|\bin\b\s*\{(?:[^{}]*,)?|\bin\b)\s*$")
_KEYWORDS = re.compile(
    r"\b(?:require|when|if|then|else|and|or|not|minimize|maximize|by|at|for|in|from)\b|(?<![=<>!])=(?!=)|[,;:]"
)
_CALL = re.compile(rf"((?:{_NAME}\.)*{_NAME})\s*$")
_NAMED = re.compile(rf"\s*({_NAME})\s*=(?!=)")
BEFORE = 4_000
"""Characters that are looked at."""


@frozen
class Cursor:
    """owner: what stands before the dot. number: a number and a blank stand before. beside: what the thing typed is
    compared with or added to. call: what is called; given, places: the arguments it has by name, and how many by
    place; argument: the one whose value is typed. line: what stands before in its line.
    """

    line: str
    quiet: bool = False
    owner: str | None = None
    number: bool = False
    beside: str | None = None
    call: str | None = None
    given: tuple[str, ...] = ()
    places: int = 0
    argument: str | None = None
    at_argument: bool = False


def read(text: str, offset: int) -> Cursor:
    """What is being typed at an offset."""
    start = max(0, offset - BEFORE)
    line = text[text.rfind("\n", 0, offset) + 1 : offset]
    if _is_quiet(line):
        return Cursor(line, quiet=True)
    member = _MEMBER.search(line)
    number = _AFTER_NUMBER.search(line) is not None
    call = _call(_plain(text[start:offset]))
    core = line[: member.start()] if member else _AFTER_NUMBER.sub("", line) if number else _WORD.sub("", line)
    owner = member.group(1) if member else None
    return evolve(call, line=line, owner=owner, number=number, beside=_beside(core))


def _is_quiet(line: str) -> bool:
    """Whether the end of a line is inside a comment or a text."""
    inside = False
    for at, character in enumerate(line):
        if character == '"' and (at == 0 or line[at - 1] != "\\"):
            inside = not inside
        elif character == "#" and not inside:
            return True
    return inside


def _plain(text: str) -> str:
    """The text with what stands in quotes and comments blanked out."""
    return re.sub(r'"(?:\\.|[^"\\\n])*"|#[^\n]*', lambda m: " " * len(m.group()), text)


def _beside(before: str) -> str | None:
    """The left side of the comparison or sum whose right side is typed; None where there is none."""
    operator = _BESIDE.search(before)
    if operator is None:
        return None
    left = _open_end(before[: operator.start()].rstrip())
    for m in reversed(list(_KEYWORDS.finditer(left))):
        if _balanced(left[m.end() :]):
            left = left[m.end() :]
            break
    return left.strip() or None


def _open_end(text: str) -> str:
    """What follows the last bracket that is open."""
    depth = 0
    for at in range(len(text) - 1, -1, -1):
        if text[at] in ")]}":
            depth += 1
        elif text[at] in "([{":
            depth -= 1
            if depth < 0:
                return text[at + 1 :]
    return text


def _balanced(text: str) -> bool:
    return all(text.count(a) == text.count(b) for a, b in ("()", "[]", "{}"))


def _call(before: str) -> Cursor:
    """What is called around the end of a text, and what of its arguments stands there."""
    depth, comma = 0, None
    for at in range(len(before) - 1, -1, -1):
        if before[at] in ")]}":
            depth += 1
        elif before[at] == "," and depth == 0 and comma is None:
            comma = at
        elif before[at] in "([{":
            depth -= 1
            if depth < 0 and before[at] != "(":
                break
            if depth < 0:
                typed = before[(at if comma is None else comma) + 1 :]
                earlier = _parts(before[at + 1 : comma]) if comma is not None else []
                named = [m.group(1) if (m := _NAMED.match(part)) else None for part in earlier]
                own = _NAMED.match(typed)
                callee = _CALL.search(before[:at])
                return Cursor(
                    "", call=callee.group(1) if callee else None, given=tuple(n for n in named if n),
                    places=named.count(None), argument=own.group(1) if own else None,
                    at_argument=re.fullmatch(rf"\s*(?:{_NAME})?", typed) is not None,
                )  # fmt: skip
    return Cursor("")


def _parts(text: str) -> list[str]:
    """A list of arguments at its commas."""
    parts, depth = [""], 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
