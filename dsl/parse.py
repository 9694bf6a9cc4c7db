"""Text to syntax tree: drives the parser's tables and goes on after a syntax error.

After an error parsing resumes at the next statement of the same block, so that six mistakes give six messages. A file
is read in stretches, a top-level statement each, so that an editor reads only those anew that a change can touch. Owns
the loop and the recovery; `newlines` owns which newlines count, `mistakes` the wording, `build` the nodes, `stretches`
what is kept of one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from cospace.dsl import tree
from cospace.dsl.build import RESERVED, Builder, Splice
from cospace.dsl.diagnostics import Reporter, Span
from cospace.dsl.grammar import parser
from cospace.dsl.mistaken_forms import closed_below
from cospace.dsl.mistakes import DECLARES, Mistake, explain_mistake, outside
from cospace.dsl.newlines import MAX_DIGITS, MAX_TOKENS, Frame, LineFilter, too_long
from cospace.dsl.stretches import LOOKED, Moved, Stretch, let_out
from lark import Token
from lark.exceptions import UnexpectedCharacters, UnexpectedToken
from lark.parsers.lalr_analysis import Shift

Known = Callable[[int], Stretch | Moved | None]

MAX_ERRORS = 50
_FAR = frozenset(("CS102",))
"""Messages that are worded after looking for a closing bracket in the whole rest of the text."""
MAX_SKIPPED = 2_000
"""Signs within which the brackets of a faulty statement have to close, else it ends with its line."""

_COMMENT = re.compile(r"#[^\r\n]*")
_KEYWORDS = frozenset(word.upper() for word in RESERVED) | {"BINDING"}
_TERMINALS = {word: word.upper() for word in RESERVED} | {
    "in": "COMPARE",
    **dict.fromkeys(("choose", "switch", "random", "adapt", "map"), "BINDING"),
}
_SKIPPED = re.compile(
    r'"[^"\n\\]*(?:\\.[^"\n\\]*)*"|#[^\n]*|[()\[\]{};,]|\r?\n'
    r"|(?:\b(?:and|or|not|if|then|else|in|by|at|when|of|as|per|step)\b|[-+*/^=<>])(?=[ \t]*(?:#[^\n]*)?\r?\n)"
)
_CONTINUES = re.compile(
    r"(\r?\n[ \t]*#[^\n]*){0,1000}\r?\n[ \t]*"
    r"(?=->|[-+*/^][ \t]|[<>]=?[ \t]|==|!=|(and|or|then|else|when|per|by|at|in|from)\b)"
)
_BLANK = re.compile(r"([ \t\r\n]+|#[^\n]*)*")
_GIVES_NAME = re.compile(
    r"\b(?:space|as|param|unit|def|work|network|accelerator|part|table|for|on)[ \t]+(\w+)"
    r"|\b(?:choose|switch|random|adapt|map)[ \t]+(\w+)(?=[ \t]*\{)"
    r"|(?:^|[{;])[ \t]*(\w+(?:[ \t]*,[ \t]*\w+)*)[ \t]*=(?!=)",
    re.MULTILINE,
)
_TARGETS = re.compile(r"\w+([ \t]*,[ \t]*\w+)*(?=[ \t]*(?:=(?!=)|:))")
_WORD = re.compile(r"[^\W\d]\w*")
_BLOCK_OPENS = re.compile(r"\{[ \t]*(#[^\n]*)?\r?\n")
_PARENTHESES = {"(": ")", "[": "]", "{": "}"}


def parse(text: str, path: str, reporter: Reporter) -> tree.File:
    """Parse one file.

    text: at most 1 MiB (`source.read_source` sees to that). path: as shown to the user.
    After a syntax error the tree holds what could be read; `reporter.failed` says so.
    """
    return whole(read_stretches(text, path), text, path, reporter)


def whole(stretches: Sequence[Stretch | Moved], text: str, path: str, reporter: Reporter) -> tree.File:
    """The file that its stretches make, and what there is to say about them."""
    for stretch in stretches:
        for diagnostic in stretch.found:
            reporter.report(diagnostic)
    statements = tuple([s for stretch in stretches for s in stretch.statements])
    comments = tuple([c for stretch in stretches for c in stretch.comments])
    lost = frozenset([name for stretch in stretches for name in stretch.lost])
    return tree.File(path, statements, comments, text, lost, span=Span(path, 0, len(text)))


def read_stretches(text: str, path: str, known: Known | None = None) -> list[Stretch | Moved]:
    """A text stretch by stretch, without a gap. known: what is read already from a place on, where nothing changed."""
    return _Parse(text, path, known).run()


class _Parse:
    def __init__(self, text: str, path: str, known: Known | None = None) -> None:
        lark = parser()
        interactive = lark.parse_interactive(text)
        self.text = text
        self.path = path
        self.known = known
        self.thread = interactive.lexer_thread
        self.state = interactive.parser_state
        self.reporter = Reporter()
        self.builder = Builder(path, self.reporter)
        self.state.parse_conf.callbacks = self.builder.callbacks(lark.rules)  # type: ignore[assignment]
        assert self.thread.state is not None
        self.position = self.thread.state.line_ctr
        self.stream: Iterator[Token] | None = None
        self.fresh = list(self.state.state_stack)
        self.filter = LineFilter(path)
        self.gap_start = 0
        self.comments: list[tree.Comment] = []
        self.lost: set[str] = set()
        self.errors = 0
        self.reach = self.skipped = 0
        self.ended = False

    # ---- the loop

    def run(self) -> list[Stretch | Moved]:
        stretches: list[Stretch | Moved] = []
        start = 0
        while not stretches or not stretches[-1].last:
            stretch = self.known(start) if self.known is not None else None
            if stretch is None:
                stretch = self._stretch(start)
            else:
                self.filter.tokens += stretch.tokens
                self.errors += stretch.errors
                self._resume_at(stretch.end)
                self.filter.last = stretch.after
                if self.errors >= MAX_ERRORS or self.filter.tokens > MAX_TOKENS:
                    return read_stretches(self.text, self.path)  # where these limits are met is told by reading all
            stretches.append(stretch)
            start = stretch.end
        return stretches

    def _stretch(self, start: int) -> Stretch:
        """What is read from the start of a statement to the start of the next one."""
        self.reporter = self.builder.reporter = Reporter()
        self.comments, self.lost, self.reach, self.skipped = [], set(), start, start
        tokens, errors = self.filter.tokens, self.errors
        self._begin(start)
        statements = self._statement()
        end = len(self.text) if statements is not None else self.gap_start
        if statements is None:
            statements = tuple(self.state.value_stack[:1])
        statements = let_out(statements, self.reporter.found)
        if any(d.code in _FAR for d in self.reporter.found):
            self.reach = len(self.text) + 1
        return Stretch(
            start, end, statements, tuple(self.comments), tuple(self.reporter.found), frozenset(self.lost),
            max(self.reach, end) + LOOKED, self.filter.tokens - tokens, self.errors - errors, self.filter.last,
            self.ended or not self.filter.frames,
        )  # fmt: skip

    def _begin(self, start: int) -> None:
        """Every statement of a file is parsed as its first: nothing before it counts."""
        self.state.state_stack[:] = self.fresh
        self.state.value_stack[:] = []
        self.filter.frames[0].snapshot = (list(self.fresh), [], start)
        self.ended = False

    def _statement(self) -> tuple[tree.Statement, ...] | None:
        """Read to the end of a statement: None, or to the end of the text: what it ends with."""
        while True:
            token = self._next()
            if self.filter.drops(token):
                continue
            if self.filter.starts_element(token):
                top = self.filter.top
                top.snapshot = (self.state.state_stack[:], self.state.value_stack[:], token.start_pos or 0)
            if token.type == "RBRACE" and self.filter.top.kind == "ghost":
                self._leave_ghost()
                if len(self.filter.frames) == 1:
                    return None
                continue
            before = self.state.state_stack[:]
            if token.type == "$END":
                self.ended = True
                if len(self.filter.frames) == 1:
                    statements = self._end()
                    if statements is not None:
                        return statements
                self._report(token, before)
                return self._close_all()
            if not self._feed(token):
                self._recover(token, self._report(token, before))
                if self.errors >= MAX_ERRORS:
                    self.reporter.error(
                        "CS114", self._span(token), f"more than {MAX_ERRORS} syntax errors; the rest was not read"
                    )
                    return self._close_all()
                if len(self.filter.frames) == 1:
                    return None
                continue
            self.filter.note(token, self._brace_kind() if token.type == "LBRACE" else "")
            limit = self.filter.exceeds(token)
            if limit is not None:
                self.reporter.error(limit.code, limit.span, limit.message, help=limit.help)
                return self._close_all()
            if token.type in ("_NL", "SEMICOLON") and len(self.filter.frames) == 1:
                end = (token.start_pos or 0) + len(token)
                self._keep_comments(self.gap_start, end)
                self.gap_start = end
                return None

    def _next(self) -> Token:
        """The next token; `$END` after the last, `BAD` for what is none."""
        try:
            if self.stream is None:
                self.stream = self.thread.lex(self.state)  # type: ignore[no-untyped-call]
            assert self.stream is not None
            token = next(self.stream)
        except StopIteration:
            token = Token("$END", "", len(self.text))
        except UnexpectedToken as error:
            self.stream = None
            token = error.token
        except UnexpectedCharacters as error:
            self.stream = None
            start = error.pos_in_stream or 0
            token = Token("BAD", self._odd(start), start)
            self._look(start)
        if token.type in _KEYWORDS:
            token = self._whole_word(token)
        elif token.type == "NAME" and str(token) in RESERVED and self.filter.last in ("NUMBER", "RBRACE"):
            # where a unit may follow the lexer takes any word for one, also a word that can only begin something else
            token = Token(_TERMINALS[str(token)], str(token), token.start_pos)
        start = token.start_pos or 0
        if self.text.find("#", self.gap_start, start) >= 0:
            self._keep_comments(self.gap_start, start)
            self.gap_start = start
        if token.type != "_NL":
            self.gap_start = start + len(token)
        if token.type == "NUMBER" and too_long(token):
            self.reporter.error(
                "CS110", self._span(token), f"a number of more than {MAX_DIGITS:,} digits",
                help="write it with an exponent of at most 1000, or as a product",
            )  # fmt: skip
            shown = Token("NUMBER", "0".ljust(len(token), "_"), start)
            return shown
        return token

    def _whole_word(self, token: Token) -> Token:
        """`ormore` is one name where a name can't stand, not `or` and `more`."""
        end = (token.start_pos or 0) + len(token)
        stop = end
        while stop < len(self.text) and (self.text[stop].isalnum() or self.text[stop] == "_"):
            stop += 1
        if stop == end:
            return token
        self.position.char_pos = stop
        return Token("NAME", self.text[token.start_pos : stop], token.start_pos)

    def _odd(self, start: int) -> str:
        """What to underline where no token begins."""
        if self.text[start] in "\"'":
            end = self.text.find("\n", start)
            return self.text[start : end if end >= 0 else len(self.text)].rstrip() or self.text[start]
        end = start + 1
        while end < len(self.text) and end < start + 3 and self.text[end] in "&|!=*~?:" and self.text[start] in "&|!~":
            end += 1
        return self.text[start:end]

    def _feed(self, token: Token) -> bool:
        try:
            self.state.feed_token(token)
        except UnexpectedToken:
            return False
        return True

    def _end(self) -> tuple[tree.Statement, ...] | None:
        try:
            return self.state.feed_token(Token("$END", "", len(self.text)), True)  # type: ignore[no-any-return]
        except UnexpectedToken:
            return None

    def _brace_kind(self) -> str:
        """A brace opens a block where the tables expect a statement next, else a set."""
        actions = self.state.parse_conf.parse_table.states[self.state.position]
        return "block" if "statement" in actions else "set"

    # ---- after an error

    def _report(self, token: Token, before: list[int]) -> Mistake:
        self.errors += 1
        expected = frozenset(self._accepted(before))
        resumed = next(f for f in reversed(self.filter.frames) if f.resumes)
        assert resumed.snapshot is not None
        mistake = Mistake(
            self.text, self.path, token, expected, tuple(self.filter.frames), self.filter.last, resumed.snapshot[2]
        )
        self.reporter.report(explain_mistake(mistake))
        return mistake

    def _accepted(self, stack: list[int]) -> Iterator[str]:
        """The terminals that can really come next: the tables alone name more than the open rules allow."""
        table = self.state.parse_conf.parse_table.states
        for name in table[stack[-1]]:
            if not name.isupper():
                continue
            states = stack[:]
            action, argument = table[states[-1]][name]
            while action is not Shift and states[-1] != self.state.parse_conf.end_state:
                size = len(argument.expansion)
                if size:
                    del states[-size:]
                states.append(table[states[-1]][argument.origin.name][1])
                if name not in table[states[-1]]:
                    break
                action, argument = table[states[-1]][name]
            else:
                yield name

    def _recover(self, token: Token, mistake: Mistake) -> None:
        """Put the parser back to the start of the current statement and the text to the start of the next one."""
        frames = self.filter.frames
        opened: list[Frame] = []
        while not frames[-1].resumes:
            opened.append(frames.pop())
        if frames[-1].kind == "set" and self._left_open(frames[-1]):
            return self._leave_set()
        frame = frames[-1]
        assert frame.snapshot is not None
        states, values, begun = frame.snapshot
        self.state.state_stack[:] = states
        self.state.value_stack[:] = values
        start = token.start_pos or 0
        closers = [f.opener.value for f in reversed(opened) if f.opener is not None]
        below = outside(mistake)
        if token.type == "COLON" and "LBRACE" in mistake.expected and closed_below(self.text, start):
            resume, ghost = start + 1, True
        else:
            resume, ghost = self._skip(start, closers, frame, begun) if below is None else (below, False)
        self._look(max(self.skipped, resume))
        self._lose(begun, max(start, resume))
        if resume == start and begun == start and token.type != "RBRACE":
            resume = start + max(1, len(token))
        if token.type == "RBRACE" and frame.kind == "file" and resume == start:
            resume = start + 1
        if ghost:
            brace = Token("LBRACE", "{", resume - 1)
            lengths = [len(v) if isinstance(v, Splice) else 0 for v in values]
            entry = (list(states), list(values), lengths)
            frames.append(Frame("ghost", brace, (list(states), list(values), resume), entry=entry))
        self._keep_comments(start, resume)
        self._resume_at(resume)

    def _leave_ghost(self) -> None:
        """Forget the statements of a block whose header was wrong; only their errors were of interest."""
        entry = self.filter.frames.pop().entry
        assert entry is not None
        states, values, lengths = entry
        for value, length in zip(values, lengths, strict=True):
            if isinstance(value, Splice):
                del value[length:]
        self.state.state_stack[:] = states
        self.state.value_stack[:] = values
        self.filter.last = "_NL"

    def _left_open(self, frame: Frame) -> bool:
        """Whether the element at fault is a statement: then the set before it was never closed."""
        assert frame.snapshot is not None
        begun = frame.snapshot[2]
        line = self.text.rfind("\n", 0, begun) + 1
        return not self.text[line:begun].strip() and DECLARES.match(self.text, begun) is not None

    def _leave_set(self) -> None:
        """Go on with the statement that was taken for an element of a set."""
        frames = self.filter.frames
        begun = frames.pop().snapshot[2]  # type: ignore[index]
        while not frames[-1].resumes or frames[-1].kind == "set":
            frames.pop()
        states, values, first = frames[-1].snapshot  # type: ignore[misc]
        self._lose(first, begun)
        self.state.state_stack[:] = states
        self.state.value_stack[:] = values
        self._resume_at(begun)

    def _lose(self, start: int, end: int) -> None:
        """Remember what the text that is passed over would have declared."""
        first = _TARGETS.match(self.text, start, end)
        if first is not None:
            self.lost.update(_WORD.findall(first.group()))
        for match in _GIVES_NAME.finditer(self.text, start, end):
            self.lost.update(_WORD.findall(match.group(match.lastindex or 0)))

    def _resume_at(self, position: int) -> None:
        self.gap_start = position
        self.position.char_pos = position
        self.stream = None
        top = self.filter.top
        top.chain = top.inner = top.right = top.pending = 0
        self.filter.last = "_NL"

    def _skip(self, start: int, opened: list[str], frame: Frame, begun: int) -> tuple[int, bool]:
        """Where to go on, and whether that is inside a block whose header was wrong."""
        stack = list(opened)
        text = self.text
        position = start
        for signs in count():
            match = _SKIPPED.search(text, position)
            self.skipped = len(text) if match is None else match.end()
            if match is None or (stack and signs > MAX_SKIPPED):
                return (self._next_line(start) if stack else len(text)), False
            at, sign = match.start(), match.group()
            position = match.end()
            if sign in _PARENTHESES:
                if sign == "{" and not stack and self._heads_block(at, frame, begun):
                    return position, True
                stack.append(sign)
            elif sign in (")", "]"):
                if stack and _PARENTHESES[stack[-1]] == sign:
                    stack.pop()
            elif sign == "}":
                if "{" in stack:
                    while stack.pop() != "{":
                        pass
                elif stack and "\n" in text[start:at]:
                    return self._next_line(start), False
                else:
                    return at, False
            elif sign in (";", "\n", "\r\n") and not stack:
                if sign != ";":
                    if _CONTINUES.match(text, at):
                        continue
                    after = _BLANK.match(text, at)
                    self.skipped = after.end() if after else at
                return at + (sign == ";"), False
            elif sign == "," and not stack and frame.kind == "set":
                return position, False
            elif sign.endswith("\n") and stack[-1] != "{" and DECLARES.match(text, position):
                return self._next_line(start), False
            elif sign not in ("\n", "\r\n", ";", ",") and sign[0] not in '"#':
                position = self._line_end(position)
        raise AssertionError("a count has no end")

    def _look(self, position: int) -> None:
        """Remember that a line was looked at: a text may be closed on it."""
        self.reach = max(self.reach, self._line_end(position) + 1)

    def _heads_block(self, brace: int, frame: Frame, begun: int) -> bool:
        if frame.kind == "set" or not _BLOCK_OPENS.match(self.text, brace):
            return False
        header = re.sub(r"\([^()]*\)", "", self.text[begun:brace])
        return "=" not in header

    def _next_line(self, start: int) -> int:
        """The line that begins at `start`, else the one after."""
        line = self.text.rfind("\n", 0, start) + 1
        return start if not self.text[line:start].strip() else self._line_end(start)

    def _line_end(self, start: int) -> int:
        end = self.text.find("\n", start)
        return len(self.text) if end < 0 else end + 1

    def _close_all(self) -> tuple[tree.Statement, ...]:
        """Close what is open and give what could be read."""
        frames = self.filter.frames
        while frames:
            if frames[-1].kind == "ghost":
                self._leave_ghost()
                continue
            frame = frames.pop()
            if frame.snapshot is None:
                continue
            self.state.state_stack[:] = frame.snapshot[0]
            self.state.value_stack[:] = frame.snapshot[1]
            if frame.kind == "file":
                return self._end() or ()
            if self._feed(Token("RBRACE", "", len(self.text))) and frames[-1].resumes:
                outer = frames[-1]
                outer.snapshot = (self.state.state_stack[:], self.state.value_stack[:], len(self.text))
        return ()

    # ---- comments and the result

    def _keep_comments(self, start: int, end: int) -> None:
        for match in _COMMENT.finditer(self.text, start, end):
            span = Span(self.path, match.start(), match.end())
            self.comments.append(tree.Comment(match.group().rstrip(), span=span))

    def _span(self, token: Token) -> Span:
        start = token.start_pos or 0
        return Span(self.path, start, start + len(token))
