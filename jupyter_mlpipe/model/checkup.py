"""What a check of an installation finds, point by point."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "wrong"]
_PASSWORD = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*(?=@)")


@dataclass(frozen=True, slots=True)
class Finding:
    """One point of a check.

    Parameters
    ----------
    state
        ``wrong`` where something does not work that is needed, ``note`` where all works without it.
    remedy
        What to do; may be empty where nothing need be done.
    """

    point: str
    state: State
    found: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as plain JSON."""
        return {"point": self.point, "state": self.state, "found": self.found, "remedy": self.remedy}

    def without_passwords(self) -> Finding:
        """Return it with ``user:password`` in addresses made unreadable."""
        return Finding(self.point, self.state, *(_PASSWORD.sub("***", t) for t in (self.found, self.remedy)))
