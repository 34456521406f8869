"""A step with everything that it needs to run: its code's closure and its parameters' values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.model.component import Options
from jupyter_mlpipe.model.pipeline import FromStep, Step


@dataclass(frozen=True, slots=True)
class StepTask:
    """A step ready to be planned and run; a snapshot, so that later edits of the notebook do not reach it.

    Parameters
    ----------
    closure
        All that the code reaches, digested and pickled in one go.
    parameters
        Resolved, validated values by the name that the code reads.
    title
        For people, where it says more than the name.
    folder, sys_path
        The working directory and import path that the step process gets.
    """

    step: Step
    closure: Closure
    parameters: Mapping[str, object] = field(default_factory=dict)
    title: str = ""
    folder: str | None = None
    sys_path: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.step.component.name

    @property
    def options(self) -> Options:
        return self.step.component.options

    @property
    def inputs(self) -> dict[str, FromStep]:
        """What it reads from other steps, by the name that the code reads."""
        return {name: b for name, b in self.step.bindings.items() if isinstance(b, FromStep)}
