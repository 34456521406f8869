"""What the runner asks of an executor, and what it hears back. No implementation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from jupyter_mlpipe.execution.cluster.environments import Reported
from jupyter_mlpipe.execution.process.messages import Message
from jupyter_mlpipe.model.resources import Offer

Amounts = Mapping[str, float]
Workers = Mapping[str, Offer]
Marks = Mapping[str, frozenset[str]]


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
    """Workers joined or left, or no more are expected.

    `workers` is everything there is, with what each offers.
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

    def start(self, ahead: Sequence[str] = ()) -> Workers:
        """Start or attach, once; return what each worker offers.

        Parameters
        ----------
        ahead
            Modules that the first steps import, which print nothing and set nothing when they are imported.

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

    @property
    def growing(self) -> bool:
        """Whether more workers may come. `WorkersChanged` tells when that is over."""
        ...

    def want(self, n_cpus: float) -> None:
        """Say for how many CPUs steps wait, to a cluster that adapts. Returns at once."""
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
