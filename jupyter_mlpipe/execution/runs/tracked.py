"""What the run machine keeps of the steps and runs that it was told of.

A step goes through these phases::

    waiting -> deriving -> (reused | held | queued -> submitted) -> ended
                  ^                   |        ^         |
                  └── held ends ──────┘        └ backoff ┘   and back to waiting when an input is damaged

"held": another step with the same key is on its way, here or in another process; what it gives is looked up
when it has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from jupyter_mlpipe.execution.runs.events import Ask, Node
from jupyter_mlpipe.execution.runs.placing import Rank
from jupyter_mlpipe.model.status import StepStatus

Phase = Literal["waiting", "deriving", "held", "queued", "backoff", "submitted", "ended"]


class TrackedStep:
    """What the machine knows of one node."""

    __slots__ = (
        "ask",
        "attempt",
        "below",
        "failures",
        "key",
        "killed",
        "losses",
        "marks",
        "near",
        "node",
        "phase",
        "rank",
        "returns",
        "status",
        "timed_out",
        "why",
        "worker",
    )

    def __init__(self, node: Node, ask: Ask, rank: Rank) -> None:
        self.node = node
        self.ask = ask
        self.rank = rank
        self.below: list[TrackedStep] = []
        self.phase: Phase = "waiting"
        self.status: StepStatus = "waiting"
        self.why = ""
        self.key: str | None = None
        self.marks: frozenset[str] = frozenset()
        self.near: Mapping[str, int] = {}
        self.worker = ""
        self.attempt = 0
        self.failures = 0
        self.losses = 0
        self.returns = 0
        self.timed_out = False
        self.killed = False

    @property
    def ended_well(self) -> bool:
        return self.status in ("succeeded", "reused")


class TrackedRun:
    __slots__ = ("asked", "cancelled", "open", "steps")

    def __init__(self, steps: dict[str, TrackedStep]) -> None:
        self.steps = steps
        self.open = len(steps)
        self.cancelled = False
        self.asked = False
