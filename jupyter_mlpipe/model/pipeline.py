"""Steps: components placed in a pipeline, and where each name that they read comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from jupyter_mlpipe.model.component import Component


@dataclass(frozen=True, slots=True)
class FromStep:
    """A name taken from an output of another step."""

    step: str
    output: str


@dataclass(frozen=True, slots=True)
class FromParameter:
    """A name whose value is a parameter of the pipeline or of the step's own signature."""

    name: str


@dataclass(frozen=True, slots=True)
class FromNotebook:
    """A name whose value is captured, by content, from the notebook."""

    name: str


Binding = FromStep | FromParameter | FromNotebook


@dataclass(frozen=True, slots=True)
class Step:
    """A component placed in a pipeline.

    Parameters
    ----------
    bindings
        For each name of data that the code or a helper of it reads: where it comes from.
        Helpers and modules are not bindings; they are captured with the code.
    after
        Steps of cells above that may set something (an option, a seed), and had not ended when the
        step's cell was run: it runs after them, with what they have set.

    Attributes
    ----------
    inputs
        What it reads from other steps, by the name that the code reads.
    upstream
        Names of the steps that it reads from or comes after, each once, in order of first use.
    """

    component: Component
    bindings: Mapping[str, Binding] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    inputs: Mapping[str, FromStep] = field(init=False, repr=False, compare=False)
    upstream: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        inputs = {name: b for name, b in self.bindings.items() if isinstance(b, FromStep)}
        producers = (source.step for source in inputs.values())
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "upstream", tuple(dict.fromkeys((*producers, *self.after))))

    @property
    def name(self) -> str:
        return self.component.name
