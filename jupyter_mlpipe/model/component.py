"""A component: what a cell promises, as its header says or its code shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from jupyter_mlpipe.model.resources import Resources

_PRODUCER = re.compile(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True)
class Input:
    """A name in a declared signature.

    Parameters
    ----------
    annotation, default
        As written. A default makes the input a parameter, except where it names a producer:
        ``df=load.df``.
    """

    name: str
    annotation: str | None = None
    default: str | None = None

    @property
    def producer(self) -> tuple[str, str] | None:
        """Component and output, where the default reads like ``load.df``.

        Only who knows the components can tell a producer from an attribute such as ``np.pi``.
        """
        match = _PRODUCER.fullmatch(self.default or "")
        return (match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True)
class Definition:
    """An import, function or class that a cell binds at its top level, known by its source.

    Parameters
    ----------
    source
        The whole statement, decorators included. Several names may share one statement.
    line
        First line of the statement in the cell, from 1.
    """

    name: str
    kind: Literal["import", "function", "class"]
    source: str
    line: int


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a component header; units are in the names."""

    resources: Resources = field(default_factory=Resources)
    pool: str | None = None
    timeout_s: float | None = None
    retries: int = 0
    reuse: bool = True
    max_age_s: float | None = None
    salt: str = ""
    run: bool = True
    background: bool = False
    here: bool = False
    scratch: bool = False
    spawn: bool = False
    auto: bool = True
    group: str = ""


@dataclass(frozen=True, slots=True)
class Component:
    """A cell that is a step of a pipeline.

    Parameters
    ----------
    cell
        The cell as typed, header included: what tracebacks quote.
    code
        Its body as Python, header lines blank, so that line numbers are the cell's.
    reads
        Free names of the code in order of first use: names that it reads before it binds them,
        or that its functions read as globals. Helpers, modules and builtins are among them;
        only who knows the namespace can tell them apart.
    inputs
        The declared signature; empty where none is declared.
    outputs
        Declared, or the names that the cell binds at top level and the inputs that it changes
        in place; ``_private`` names, imports, functions and classes left out.
    changes
        Names read that the code changes in place for certain (``df["x"] = 1``).
    may_change
        Names read on which a method is called that usually changes its object (``fit``, ``append``).
        Checked by content after the step.
    may_read
        Those of `reads` that the cell may have bound itself before (in a branch, in a loop, by a star
        import): one that nothing provides is no error.
    deletes
        Names that the cell deletes at top level and does not bind again.
    function
        Name of the one function of a cell in function form.
    shows
        Whether running the code may display something beyond printed text.
    postponed
        Whether it has annotations, and Python does not evaluate them: it, or the notebook above it, has
        ``from __future__ import annotations``.
    """

    name: str
    cell: str
    code: str
    reads: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()
    inputs_declared: bool = False
    outputs_declared: bool = False
    changes: tuple[str, ...] = ()
    may_change: tuple[str, ...] = ()
    may_read: tuple[str, ...] = ()
    deletes: tuple[str, ...] = ()
    definitions: tuple[Definition, ...] = ()
    star_imports: tuple[str, ...] = ()
    function: str | None = None
    shows: bool = False
    postponed: bool = False
    options: Options = field(default_factory=Options)
    cell_id: str | None = None
    title: str = ""

    @property
    def outputs_of_key(self) -> tuple[str, ...]:
        """Its outputs as they enter the key: of a function, in the order in which it returns them."""
        return self.outputs if self.function else tuple(sorted(self.outputs))

    @property
    def has_contract(self) -> bool:
        """Whether it says itself what it makes: it may change nothing else."""
        return self.outputs_declared or self.function is not None
