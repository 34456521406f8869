"""A component as it stands in the notebook: where its reads come from, and what it was when its cell ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.errors import UnknownStepError, close_matches
from jupyter_mlpipe.keys.closure import Closure
from jupyter_mlpipe.keys.given import Affected, Given, Snapshot
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.pipeline import FromParameter, FromStep
from jupyter_mlpipe.notebook.steps.names import Maker
from jupyter_mlpipe.notebook.steps.parameters import Declared
from jupyter_mlpipe.notebook.steps.unsettled import Earlier


@dataclass(frozen=True, slots=True)
class Choice:
    """Where one read comes from, as chosen at registration.

    Parameters
    ----------
    binding
        None: the notebook's own value.
    generation
        How often plain cells had bound the name when the choice was made.
    value
        The notebook's value then: a step that replaces a value which it read goes on reading
        the one from before, so that running its cell twice gives the same as running it once.
    siblings
        The names that were the binding's step's then, each with its generation: those that it stored together
        with what is read come with it, and are outputs where they are changed.
    held
        The component that made the value before it failed, if one did: running it again would not give this.
    """

    binding: FromStep | FromParameter | None
    generation: int
    value: Any = None
    siblings: Mapping[str, int] = field(default_factory=dict)
    held: str = ""


@dataclass(slots=True)
class Placed:
    """A component of the notebook, with its own parameters and its choices by name.

    Parameters
    ----------
    found
        Names that its last run was found to change, which its code does not show.
    aliases
        Names of the notebook that share objects with the values that it captures, or that its inputs need.
    place
        Those further down have higher ones; kept when its cell is run again.
    taken, makers
        The closure when its cell was last run, and who had made the values in it.
    snapshot
        What the notebook had set when the component's cell was run.
    helpers
        Functions, classes and modules that it reaches, as they were before a step bound their names
        to values, each with the generation of its name.
    own
        Names that it may read on some path before it binds them itself, and that nobody else had bound
        when it was placed: a later producer of such a name is not meant.
    after
        Components of cells above that had not ended then.
    may_set, has_set
        Whether its code looks as if it set something for the cells below, and whether its last run did.
    given
        The part of the snapshot that can affect it.
    """

    component: Component
    snapshot: Snapshot
    place: int
    after: Earlier
    declared: dict[str, Declared] = field(default_factory=dict)
    choices: dict[str, Choice] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    given: tuple[Affected, Given] | None = None
    may_set: bool = False
    has_set: bool = False
    found: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    taken: Closure | None = None
    makers: dict[str, Maker | None] = field(default_factory=dict)
    helpers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    own: frozenset[str] = frozenset()
    history: dict[str, Any] = field(default_factory=dict)  # `_`, `Out[3]`: as they were when the cell ran

    @property
    def writes(self) -> tuple[str, ...]:
        """The names that it makes or changes, as far as is known."""
        return (*self.component.outputs, *self.found)


def siblings_of(placed: Placed) -> dict[str, frozenset[str]]:
    """Return, by step that a component reads from, the other names that were that step's then."""
    found: dict[str, frozenset[str]] = {}
    for choice in placed.choices.values():
        if isinstance(choice.binding, FromStep) and choice.siblings:
            step = choice.binding.step
            found[step] = found.get(step, frozenset()) | choice.siblings.keys()
    return found


def upstream_of(components: Mapping[str, Placed]) -> dict[str, tuple[str, ...]]:
    """Return for each component those that it reads from, as chosen so far."""
    return {
        name: tuple(above for above in placed.upstream if above in components)
        for name, placed in list(components.items())  # whole, in whatever thread
    }


def check_steps(components: Mapping[str, Placed], *names: str) -> None:
    """Refuse names of steps that are not there."""
    for name in names:
        if name not in components:
            listed = ", ".join(components) or "none yet: put %%component NAME on top of a cell"
            raise UnknownStepError(
                f"There is no step '{name}'.{close_matches(name, components)} Steps: {listed}."
            )
