"""The limit on wall time: a question is cut wherever it is, what holds it ends in order, and nothing stays behind."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cospace.compiler import clock
from cospace.compiler.checks.check import check
from cospace.compiler.counting.count import solve_space
from cospace.compiler.counting.values import values_of
from cospace.compiler.driver import compile_text
from cospace.compiler.proofs import solver

SPECS = Path(__file__).resolve().parents[2] / "specs"
LONG = "space long\n" + "\n".join(f"n{i} = choose 1..50" for i in range(9)) + "\n"
LONG += "require (n0 * n1 - n2 * n3) * (n4 - n5) * n6 + n7 * n7 * n8 == 4_001\n"
"""No number of designs that is listed tells how many are feasible."""


def forever() -> str:
    while True:
        pass


def test_a_question_without_an_end_is_cut_and_said_to_be_unknown() -> None:
    start, before = time.monotonic(), signal.getsignal(signal.SIGINT)
    with clock.within(0.1):
        assert clock.attempt(lambda: "asked", clock.reason) == "asked"
        assert not clock.hit()
        assert clock.attempt(forever, clock.reason) == "the limit of 0.1 s was hit; --within sets another"
        assert clock.hit() and clock.left() == 0
        assert clock.attempt(lambda: "asked", clock.reason) == clock.reason(), "not begun once the time is up"
        assert clock.attempt(lambda: "soon", clock.reason, graced=True) == "soon"
        assert clock.attempt(forever, lambda: "cut too", graced=True) == "cut too"
    assert time.monotonic() - start < 5
    assert signal.getsignal(signal.SIGINT) is before
    assert not clock.hit() and clock.attempt(lambda: "asked", clock.reason) == "asked"
    assert not [t for t in threading.enumerate() if t.name == "clock"]


def test_what_holds_a_question_that_was_cut_has_a_moment_and_is_cut_too() -> None:
    told = []

    def outer() -> str:
        told.append(clock.attempt(forever, lambda: "inner"))
        time.sleep(clock.GRACE / 5)
        told.append("in order")
        return forever()

    with clock.within(0.05):
        assert clock.attempt(outer, lambda: "outer") == "outer"
        time.sleep(clock.GRACE * 1.5)  # outside of questions nothing is cut
    assert told == ["inner", "in order"]


def test_one_that_swallows_it_is_cut_again() -> None:
    def stubborn() -> str:
        with contextlib.suppress(BaseException):
            forever()
        return forever()

    with clock.within(0.05):
        assert clock.attempt(stubborn, lambda: "cut") == "cut"


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a process that began just now, whatever other tests made of it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_what_is_cut_while_an_object_goes_away_is_cut_later(capsys: pytest.CaptureFixture[str]) -> None:
    class Held:
        def __del__(self) -> None:
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                pass

    def dropping() -> str:
        Held()
        return forever()

    lost: list[object] = []
    before, sys.unraisablehook = sys.unraisablehook, lost.append
    try:
        with clock.within(0.1):
            assert clock.attempt(dropping, lambda: "cut") == "cut"
        assert not lost
        assert sys.unraisablehook == lost.append
    finally:
        sys.unraisablehook = before


@pytest.mark.usefixtures("interruptible")
def test_a_user_who_stops_it_is_heard() -> None:
    def stopped() -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return forever()

    with clock.within(60), pytest.raises(KeyboardInterrupt):
        clock.attempt(stopped, lambda: "cut")
    with clock.within(0.05):
        assert clock.attempt(forever, lambda: "cut") == "cut"
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)


def test_errors_pass_and_clocks_may_be_nested_and_never_end() -> None:
    with clock.within(float("inf")):
        with clock.within(0):
            assert clock.attempt(lambda: 1, lambda: 2) == 2
        assert clock.attempt(lambda: 1, lambda: 2) == 1
        with pytest.raises(ZeroDivisionError):
            clock.attempt(lambda: 1 // 0, lambda: 2)


def test_off_the_main_thread_questions_are_not_begun_after_the_end() -> None:
    told: list[int] = []

    def run() -> None:
        with clock.within(0):
            told.append(clock.attempt(lambda: 1, lambda: 2))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert told == [2]


def test_the_solver_waits_no_longer_than_what_is_left() -> None:
    start = time.monotonic()
    with clock.within(0.02):
        answer = solver.run("(declare-const x Int)" + "(assert (> (* x x x) x))" * 20_000)
    assert answer["status"] == "unknown" and "stopped after 0" in str(answer["reason"])
    assert time.monotonic() - start < 5


def test_a_check_keeps_what_was_proved_and_leaves_nothing_behind() -> None:
    text = (SPECS / "gcos.cospace").read_text(encoding="utf-8")
    space = compile_text(text).space
    assert space is not None
    with clock.within(0):
        none = check(space, deep=True)
    assert none.ok is None and any("satisfiable: unknown (the limit of 0 s was hit" in s for s in none.skipped)
    for seconds in (0.02, 0.1, 0.2):
        with clock.within(seconds):
            report = check(space, deep=True)
        assert report.ok is not False and not any(d.severity == "error" for d in report.diagnostics)
    again = check(space, deep=True)
    fresh = compile_text(text).space
    assert fresh is not None
    assert again.ok is True and again.proved == check(fresh, deep=True).proved


def test_an_empty_space_is_said_to_be_so_though_nobody_had_time_to_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    from cospace.compiler.conflicts import words

    text = "a, b = choose 1..9\nrequire a + b <= 4\nrequire a * b >= 20\nrequire a >= 1\n"
    space = compile_text(text).space
    assert space is not None
    monkeypatch.setattr(words, "minimal_conflict", lambda *_: forever())
    with clock.within(0.5):
        report = check(space)
    assert report.ok is False
    (found,) = report.diagnostics
    assert found.code == "CS601" and "not proved to be the fewest" in found.message
    assert found.help is not None and "the limit of 0.5 s was hit" in found.help


def test_counts_are_between_what_was_proved() -> None:
    space = compile_text(LONG + "a, b = choose 1..4\nrequire a < b\n").space
    assert space is not None
    with clock.within(0):
        whole = solve_space(space)
        kept = values_of(whole)
    assert whole.count.raw == 50**9 * 16 and whole.count.bounds == (0, 50**9 * 16)
    assert whole.count.limit is not None and whole.count.limit.startswith("the limit of 0 s was hit")
    assert kept is not None
    assert all(pair == (0, whole.count.raw) for c in kept for pair in c.counts)
    with clock.within(float("inf")):
        found = solve_space(space).count
    assert found.bounds[1] is not None and found.bounds[1] <= 50**9 * 6, "the other component is counted exactly"


def test_a_component_that_is_cut_leaves_the_others_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from cospace.compiler.counting import count as counting

    def solve(frame: object, part: counting.Component, *rest: object) -> counting.Solved:
        return forever() if len(part.variables) > 2 else real(frame, part, *rest)  # type: ignore[arg-type,return-value]

    real = counting.solve
    monkeypatch.setattr(counting, "solve", solve)
    space = compile_text("a, b = choose 1..4\nrequire a < b\n" + LONG.partition("\n")[2]).space
    assert space is not None
    with clock.within(1):
        whole = counting.solve_space(space)
        kept = values_of(whole)
    assert whole.count.bounds == (0, 6 * 50**9)
    assert kept is not None and {c.path for c in kept} >= {"a", "b", "n0"}
