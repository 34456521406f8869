"""What a step's process and its worker say: messages on the way to the runner."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

ErrorKind = Literal[
    "error",  # the code raised
    "output",  # a declared output was not bound or cannot be stored, or an input was changed
    "exited",  # its process left without a word: `os._exit`
    "crashed",  # ... by a fault in native code: SIGSEGV, SIGABRT
    "signal",  # ... by a signal from outside: SIGTERM, SIGKILL
    "memory",  # it used more memory than it asks for, or the system ran out of it
    "killed",  # it was killed on request: its run was cancelled, or the cluster closed
    "died",  # its process ended with the fork server
]
"""How an attempt failed, as its worker tells it."""


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

    `rescued` is what its code had done before it failed (`jupyter_mlpipe.execution.process.rescued`).
    """

    type: Literal["ended"]
    status: Literal["failed"]
    error: StepFailure
    seconds: float
    rescued: NotRequired[dict[str, Any]]


Message = StartedMessage | OutputMessage | ProgressMessage | MetricsMessage | SucceededMessage | FailedMessage
