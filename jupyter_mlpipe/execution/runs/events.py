"""What the run machine is told (events) and what it says is to be done (instructions)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from jupyter_mlpipe.execution.process.messages import ErrorKind
from jupyter_mlpipe.model.resources import Offer
from jupyter_mlpipe.model.status import RunStatus, StepStatus

Amounts = Mapping[str, float]
FailureKind = (
    ErrorKind
    | Literal[
        "timeout",  # its time was up
        "lost",  # its worker was lost again and again
        "missing",  # the bytes of an input were damaged again and again
        "key",  # its key could not be derived
        "resource",  # no worker can ever serve it
        "cluster",  # there is no cluster
    ]
)
"""Why a step failed."""


class Node(NamedTuple):
    """A step of one run."""

    run: str
    step: str


@dataclass(frozen=True, slots=True)
class Ask:
    """What a step asks of the machine.

    Parameters
    ----------
    upstream
        Steps of the same run that must end well first.
    pool
        Only workers of this pool will do; None leaves the choice.
    seconds
        What it is expected to take, from earlier runs; None where nobody knows.
    reuse
        False where only its own process will do: forced, ``--no-reuse``, no reliable key.
    here
        It runs in the notebook's own process: no worker is asked for.
    """

    upstream: tuple[str, ...] = ()
    amounts: Amounts = field(default_factory=dict)
    pool: str | None = None
    seconds: float | None = None
    retries: int = 0
    timeout_s: float | None = None
    reuse: bool = True
    here: bool = False


# Events


@dataclass(frozen=True, slots=True)
class AddRun:
    """A run starts; steps with a higher `priority` go first."""

    run: str
    steps: Mapping[str, Ask]
    priority: int = 0


@dataclass(frozen=True, slots=True)
class KeyKnown:
    """The answer to `DeriveKey`.

    Parameters
    ----------
    found
        A record for it may be reused.
    near
        By worker, how many bytes of its inputs are at hand there.
    marks
        What a worker must have of packages, for the key to be true of what runs there.
    """

    node: Node
    key: str
    found: bool
    near: Mapping[str, int] = field(default_factory=dict)
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class KeyBusy:
    """Another answer to `DeriveKey`: somebody else computes it; `KeyFree` follows when that has ended."""

    node: Node
    why: str


@dataclass(frozen=True, slots=True)
class KeyFree:
    """Nobody else computes any more what a step was waiting for; it does no harm when it waits no longer."""

    node: Node


@dataclass(frozen=True, slots=True)
class KeyFailed:
    """The last answer to `DeriveKey`."""

    node: Node
    error: str


@dataclass(frozen=True, slots=True)
class WorkersKnown:
    """All workers that there are at this moment, with what each offers, and has of packages.

    `growing`: more may come, so that what none of them can serve waits.
    """

    workers: Mapping[str, Offer]
    marks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    growing: bool = False


@dataclass(frozen=True, slots=True)
class StepStarted:
    node: Node
    attempt: int


@dataclass(frozen=True, slots=True)
class StepSucceeded:
    node: Node
    attempt: int


@dataclass(frozen=True, slots=True)
class StepFailed:
    node: Node
    attempt: int
    kind: FailureKind
    error: str = ""


@dataclass(frozen=True, slots=True)
class InputDamaged:
    """A step could not read what `producers` made; it ended without running its code."""

    node: Node
    attempt: int
    producers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepLost:
    """The worker went away, or never took the step."""

    node: Node
    attempt: int


@dataclass(frozen=True, slots=True)
class TimeUp:
    node: Node
    attempt: int


@dataclass(frozen=True, slots=True)
class RetryDue:
    node: Node


@dataclass(frozen=True, slots=True)
class CancelRun:
    run: str


@dataclass(frozen=True, slots=True)
class ClusterFailed:
    """The cluster did not start, or is gone for good."""

    error: str


Event = (
    AddRun
    | KeyKnown
    | KeyBusy
    | KeyFree
    | KeyFailed
    | WorkersKnown
    | StepStarted
    | StepSucceeded
    | StepFailed
    | InputDamaged
    | StepLost
    | TimeUp
    | RetryDue
    | CancelRun
    | ClusterFailed
)


# Instructions


@dataclass(frozen=True, slots=True)
class DeriveKey:
    """All inputs are there: derive the key, look it up. `KeyKnown`, `KeyBusy` or `KeyFailed` answers."""

    node: Node


@dataclass(frozen=True, slots=True)
class StartCluster:
    """Answer with `WorkersKnown` or `ClusterFailed`."""


@dataclass(frozen=True, slots=True)
class Submit:
    node: Node
    attempt: int
    worker: str
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Kill:
    """The attempt must end soon; the machine waits for the event that says so."""

    node: Node
    attempt: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Tell `TimeUp` when this time is over; it does no harm when the attempt has ended by then."""

    node: Node
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SetRetryTimer:
    node: Node
    seconds: float


@dataclass(frozen=True, slots=True)
class Changed:
    """A step's status is another; `failure` says of which kind where it failed."""

    node: Node
    status: StepStatus
    why: str = ""
    failure: FailureKind | None = None


@dataclass(frozen=True, slots=True)
class EndRun:
    run: str
    status: RunStatus


Instruction = DeriveKey | StartCluster | Submit | Kill | SetTimer | SetRetryTimer | Changed | EndRun
