"""How much may be looked at for one problem."""

from __future__ import annotations

from attrs import mutable


class GaveUp(Exception):
    """More mappings than may be looked at."""


@mutable(eq=False)
class Effort:
    """bounded: partial mappings whose bounds were reckoned; looked: whole ones; most: of both."""

    most: int
    bounded: int = 0
    looked: int = 0

    def spend(self, bounded: int = 0, looked: int = 0) -> None:
        self.bounded += bounded
        self.looked += looked
        if self.bounded + self.looked > self.most:
            raise GaveUp


__all__ = ["Effort", "GaveUp"]
