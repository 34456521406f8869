"""Every error that this package raises, in one tree.

MLPipeError
├── UsageError              a magic line, option or call that cannot be understood
│   └── HeaderError         the component header of a cell
├── PipelineError           components that do not fit together
│   ├── CycleError
│   ├── UnknownNameError    a name that nothing provides
│   ├── UnknownStepError
│   └── ContractError       a declared signature and the cell's code disagree
├── ParameterError          a parameter's value does not fit its annotation
├── PlaceError              a declared file or folder is not there, or cannot be read
├── StoreError              the store cannot be read or written
│   ├── StoreFullError
│   ├── EncodingError       a value that no codec can store
│   ├── ArtifactMissingError  an artifact is no longer in the store
│   └── ArtifactCorruptError  stored bytes do not match their digest or size
├── RestoreError            a file that a step wrote cannot be made again
├── ResourceError           a request that no worker can ever serve
├── ClusterError            the cluster cannot be started or reached
└── StepError               a step failed; carries the user's traceback
    ├── StepTimeoutError
    ├── StepDiedError       its process ended without a word (exit, crash, signal)
    │   └── StepMemoryError  ... because of the memory that it used
    └── StepOutputError     a declared output was not bound or cannot be stored

Each survives pickling: errors travel from step processes and workers to the notebook.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class MLPipeError(Exception):
    """Base of all errors of this package."""


class UsageError(MLPipeError):
    """A magic line, option or call that cannot be understood; shown without a traceback."""


class HeaderError(UsageError):
    """The component header of a cell cannot be understood.

    Attributes
    ----------
    span
        The part of the header that it is about, as offsets in its line; None where that is not known.
    """

    span: tuple[int, int] | None = None


class PipelineError(MLPipeError):
    """Components that do not fit together.

    Parameters
    ----------
    word, line
        The name in a cell's text that it is about, and the line from 1; line 0 stands for the header.
    """

    def __init__(self, *arguments: object, word: str = "", line: int = 0) -> None:
        super().__init__(*arguments)
        self.word = word
        self.line = line


class CycleError(PipelineError):
    """Steps that wait for each other."""


class UnknownNameError(PipelineError):
    """A name that no component, parameter or notebook value provides."""


class UnknownStepError(PipelineError):
    """A step that is not in the pipeline."""


class ContractError(PipelineError):
    """A declared signature and the code of its cell disagree."""


class ParameterError(MLPipeError):
    """A parameter's value does not fit its annotation."""


class PlaceError(MLPipeError):
    """A declared file or folder is not there, or cannot be read."""


class StoreError(MLPipeError):
    """The store cannot be read or written."""


class StoreFullError(StoreError):
    """No space is left where the store is."""


class EncodingError(StoreError):
    """A value that no codec can store."""


class ArtifactMissingError(StoreError):
    """An artifact is no longer in the store; the step that makes it has to run again."""


class ArtifactCorruptError(StoreError):
    """Stored bytes do not match their digest or size; they count as missing from then on."""


class RestoreError(MLPipeError):
    """A file that a reused step wrote cannot be made again as the step left it."""


class ResourceError(MLPipeError):
    """A request that no worker can ever serve."""


class ClusterError(MLPipeError):
    """The cluster cannot be started or reached."""


class StepError(MLPipeError):
    """A step failed.

    Parameters
    ----------
    message
        The last line of the user's error, without its type.
    step, cell_id
        Which step, and the cell that defines it.
    ename
        Name of the user's exception class.
    traceback
        Lines of the user's traceback, our own frames cut; may hold ANSI colours.
    """

    def __init__(
        self,
        message: str,
        *,
        step: str = "",
        cell_id: str | None = None,
        ename: str = "",
        traceback: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.step = step
        self.cell_id = cell_id
        self.ename = ename or type(self).__name__
        self.traceback = tuple(traceback)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Show the user's traceback where IPython shows the error as a value."""
        printer.text("\n".join(self.traceback) or f"{self.ename}: {self.message}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_step_error, (
            type(self),
            self.message,
            self.step,
            self.cell_id,
            self.ename,
            self.traceback,
        )


def describe_error(error: BaseException) -> str:
    """Return an error in one line: with its class's name where that is the user's (``ValueError: no``)."""
    message = str(error).strip().partition("\n")[0]
    if isinstance(error, StepError) and error.ename != type(error).__name__:
        return f"{error.ename}: {message}" if message else error.ename
    return message or type(error).__name__


class StepTimeoutError(StepError):
    """A step ran longer than its --timeout."""


class StepDiedError(StepError):
    """A step's process ended without a result: by an exit, a crash or a signal."""


class StepMemoryError(StepDiedError):
    """A step used more memory than it asks for with --memory, or than there was."""


class StepOutputError(StepError):
    """A declared output was not bound, or cannot be stored."""


def _rebuild_step_error(
    cls: type[StepError],
    message: str,
    step: str,
    cell_id: str | None,
    ename: str,
    traceback: tuple[str, ...],
) -> StepError:
    return cls(message, step=step, cell_id=cell_id, ename=ename, traceback=traceback)


def close_matches(name: str, candidates: Iterable[str]) -> str:
    """Return " Did you mean 'x' or 'y'?" for an unknown name, or an empty string."""
    matches = difflib.get_close_matches(name, sorted(set(candidates)), n=3, cutoff=0.6)
    if not matches:
        return ""
    return " Did you mean " + " or ".join(f"'{match}'" for match in matches) + "?"
