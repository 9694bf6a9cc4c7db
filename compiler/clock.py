"""How long a verb may take: the one place that knows of wall time.

What is proved or counted is bounded by numbers of steps, so that answers don't depend on the machine. The clock is for
what these numbers missed: at its end the question at hand is cut short wherever it is, later ones are not begun, and
whoever asked says that it is unknown. Memos hold whole answers only, so that a question that was cut leaves nothing
half made which another could read; what it found up to then is read from what it filled.
"""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from _thread import interrupt_main
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TypeVar

from attrs import define, field

T = TypeVar("T")
GRACE = 0.5
"""Seconds that a question which holds one that was cut has to end in order, before it is cut, too."""
TICK = 0.05
"""Seconds from one reminder to the next."""


class Expired(BaseException):
    """The time is up. No `Exception`: a pass that goes on after some failure must not go on after this."""


@define(eq=False)
class _Clock:
    seconds: float
    end: float
    setting: str
    """What sets another limit, as whoever asked writes it."""
    depth: int = 0
    """Questions that are being asked, each within the one before."""
    next: float = 0.0
    """From when on the question at hand is cut."""
    hit: bool = False
    rung: bool = False
    done: threading.Event = field(factory=threading.Event)
    before: object = None

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.end

    def ring(self) -> None:
        """In a thread of its own: once the time is up interrupt the main thread, and again should one be lost."""
        if self.done.wait(min(self.seconds, threading.TIMEOUT_MAX)):
            return
        while True:
            self.rung = True
            interrupt_main(signal.SIGINT)
            if self.done.wait(TICK):
                return

    def hear(self, number: int, frame: FrameType | None) -> None:
        """In the main thread: what `ring` or the user's Ctrl-C asks for."""
        if self.rung:
            self.rung = False
            if self.depth and time.monotonic() >= max(self.end, self.next):
                self.next = time.monotonic() + GRACE
                self.hit = True
                raise Expired
        elif callable(self.before):
            self.before(number, frame)


_clock: _Clock | None = None


@contextmanager
def within(seconds: float, setting: str = "--within") -> Iterator[None]:
    """Cut questions short that are asked in this block and not answered after so many seconds (`inf`: never).

    setting: what sets another limit, for `reason`.
    Off the main thread none is cut, but those after the end are not begun.
    """
    global _clock
    outer, own = _clock, _Clock(seconds, time.monotonic() + seconds, setting)
    own.before, unraisable = signal.getsignal(signal.SIGINT), sys.unraisablehook
    rings = seconds < math.inf and own.before is not None
    rings = rings and threading.current_thread() is threading.main_thread()
    if rings:
        signal.signal(signal.SIGINT, own.hear)
        sys.unraisablehook = partial(_quietly, unraisable)
        thread = threading.Thread(target=own.ring, name="clock", daemon=True)
        thread.start()
    _clock = own
    try:
        yield
    finally:
        _clock = outer
        if rings:
            own.done.set()
            thread.join()
            signal.signal(signal.SIGINT, own.before)  # hears first what is still to be heard
            sys.unraisablehook = unraisable


def _quietly(others: Callable[[sys.UnraisableHookArgs], object], lost: sys.UnraisableHookArgs) -> None:
    """What was raised where nothing can be raised, as while an object goes away: the next reminder is heard instead."""
    if lost.exc_type is not Expired:
        others(lost)


def attempt(question: Callable[[], T], otherwise: Callable[[], T], graced: bool = False) -> T:
    """The answer to a question, or what is known without it where the time is up, before or while it is asked.

    graced: asked although the time is up, for it mostly takes no time at all. Without a clock it is just asked.
    """
    clock = _clock
    if clock is None:
        return question()
    outer = clock.depth
    if clock.over:
        if not graced:
            clock.hit = True
            return otherwise()
        clock.next = time.monotonic() + GRACE
    try:
        try:
            clock.depth = outer + 1
            return question()
        finally:
            clock.depth = outer
    except Expired:
        clock.depth = outer  # the reminder may have come just before it was put back
        return otherwise()


def left() -> float:
    """Seconds until the time is up; for what waits and can't be cut."""
    return math.inf if _clock is None else max(0.0, _clock.end - time.monotonic())


def hit() -> bool:
    """Whether a question was cut short, or not begun, since the clock was set."""
    return _clock is not None and _clock.hit


def reason() -> str:
    """Why such a question has no answer."""
    seconds, setting = (0.0, "--within") if _clock is None else (_clock.seconds, _clock.setting)
    return f"the limit of {seconds:g} s was hit; {setting} sets another"


__all__ = ["Expired", "attempt", "hit", "left", "reason", "within"]
