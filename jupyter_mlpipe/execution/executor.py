"""What the runner asks of an executor, and what it hears back. No implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NotRequired, Protocol, TypedDict

from jupyter_mlpipe.execution.environments import Reported
from jupyter_mlpipe.execution.events import ErrorKind
from jupyter_mlpipe.model.resources import Offer

Amounts = Mapping[str, float]
Workers = Mapping[str, Offer]
Marks = Mapping[str, frozenset[str]]


class StepFailure(TypedDict):
    """Why a step failed; `traceback` holds lines as IPython renders them, with ANSI colours."""

    kind: ErrorKind
    ename: str
    evalue: str
    traceback: list[str]


class StartedMessage(TypedDict):
    """The step's process runs."""

    type: Literal["started"]
    pid: int
    worker: str


class OutputMessage(TypedDict):
    """Something that the step shows, at once.

    `output` is as nbformat has it (stream, display_data, execute_result), or one of the kernel
    protocol's ``update_display_data`` (with ``transient.display_id``) and ``clear_output``.
    """

    type: Literal["output"]
    output: dict[str, Any]


class ProgressMessage(TypedDict):
    """How far the step says it has come: `fraction` from 0 to 1, None where it does not know."""

    type: Literal["progress"]
    fraction: float | None
    text: str


class MetricsMessage(TypedDict):
    """Metrics that the step has logged since the last such message; text where one is not finite."""

    type: Literal["metrics"]
    values: dict[str, float | str]


class SucceededMessage(TypedDict):
    """The step's record is in the store; `record` is its JSON."""

    type: Literal["ended"]
    status: Literal["succeeded"]
    record: dict[str, Any]
    seconds: float


class FailedMessage(TypedDict):
    """The step has ended without a record.

    `rescued` is what its code had done before it failed (`jupyter_mlpipe.execution.rescued`).
    """

    type: Literal["ended"]
    status: Literal["failed"]
    error: StepFailure
    seconds: float
    rescued: NotRequired[dict[str, Any]]


Message = StartedMessage | OutputMessage | ProgressMessage | MetricsMessage | SucceededMessage | FailedMessage


@dataclass(frozen=True, slots=True)
class StepMessage:
    """A message from a step's process, in the order in which it was sent; the last is an "ended" one."""

    token: str
    message: Message


@dataclass(frozen=True, slots=True)
class StepLost:
    """The worker or the cluster failed, not the step: no "ended" message will come."""

    token: str
    why: str


@dataclass(frozen=True, slots=True)
class WorkersChanged:
    """Workers joined or left; `workers` is everything there is, with what each offers.

    `marks` is what each has of packages (`Executor.marks`).
    """

    workers: Workers = field(default_factory=dict)
    marks: Marks = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClusterLost:
    """There is no cluster any more; no further event will come."""

    why: str


Told = StepMessage | StepLost | WorkersChanged
Event = Told | ClusterLost


class Executor(Protocol):
    """Runs specs on named workers, one process a step. Every method may be called from any thread."""

    def listen(self, on_event: Callable[[Event], None]) -> Callable[[], None]:
        """Call `on_event` with each event, from any thread; returns what ends it.

        Handlers must return at once. Each listener hears the events of every token.
        """
        ...

    def start(self) -> Workers:
        """Start or attach, once; return what each worker offers.

        Raises
        ------
        ClusterError
            What was tried, and why it failed.
        """
        ...

    def preload(self, modules: Sequence[str]) -> None:
        """Have workers import modules ahead of the steps that need them. Returns at once."""
        ...

    @property
    def workers(self) -> Workers:
        """What each worker offers; nothing before the start."""
        ...

    @property
    def left_out(self) -> Mapping[str, str]:
        """Why other workers of the cluster cannot run steps, by name."""
        ...

    @property
    def marks(self) -> Marks:
        """What each worker has of the packages that were asked for.

        Empty where workers have what this process has, as have all that are started by it.
        """
        ...

    def look_up(self, tops: frozenset[str]) -> Mapping[str, Reported]:
        """Return what each worker of an attached cluster has of top-level modules; waits for its answer.

        Raises
        ------
        ClusterError
            As in `start`.
        """
        ...

    def submit(
        self, token: str, worker: str, spec: bytes, amounts: Amounts, marks: frozenset[str] = frozenset()
    ) -> None:
        """Start a step on a worker that has room. Returns at once; a token is used only once.

        Where the worker has no longer the packages of `marks`, the step is lost before it has begun.
        """
        ...

    def kill(self, token: str) -> None:
        """End a step's process at once. Its "ended" message still comes, of kind "killed"."""
        ...

    def close(self) -> None:
        """Kill what runs and leave nothing behind; events end. May be called twice."""
        ...
