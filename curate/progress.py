"""What a running stage tells whoever watches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a stage stands: parts done of all, rows in those made now, seconds since it began, and a note."""

    stage: str
    done: int
    parts: int
    rows: int
    seconds: float
    ended: bool = False
    unit: str = "parts"
    note: str = ""


Watch = Callable[[Progress], None]
