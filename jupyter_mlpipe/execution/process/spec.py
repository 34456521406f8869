"""What is sent to a step process: plain data, complete, so that the process asks nobody anything."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.model.status import Ingredient
from jupyter_mlpipe.store.files import Limits

if TYPE_CHECKING:
    from jupyter_mlpipe.execution.process.declared import DeclaredPlace
    from jupyter_mlpipe.keys.closure import ModuleSource
    from jupyter_mlpipe.keys.held import DefinitionPickle
    from jupyter_mlpipe.store.records import Artifact
    from jupyter_mlpipe.store.registered import SentCodec
    from jupyter_mlpipe.store.signing import Signer

USUAL_MODE = "Context"
"""Of tracebacks, in the words of ``%xmode``."""

NOT_BOUND = "the code did not bind it"
"""Why an output is left out that only some path through the code binds."""

CLOSED_FILE = "it is a closed file"
"""Why `f` of ``with open(path) as f`` is left out: nobody misses it."""

VERIFIED_BYTES = 1 << 20
"""Size from which a worker remembers that an object was verified; smaller ones are digested at no cost."""


def stored_with(
    read: str, inputs: Mapping[str, Artifact], companions: Mapping[str, tuple[str, ...]]
) -> set[str]:
    """Return the names of what is stored together with an input, its own left out; see `StepSpec`."""
    artifact = inputs[read]
    if not artifact.part:
        return set()
    stored = artifact.blob.object
    same = {name for name, other in inputs.items() if other.part and other.blob.object == stored}
    return (same | {*companions.get(stored, ())}) - {read}


def joint_mark(read: str, inputs: Mapping[str, Artifact], companions: Mapping[str, tuple[str, ...]]) -> str:
    """Return what stands in `Record.joint` for an input that was changed.

    It covers all that is stored together with the input, and which of that has a name. Where nothing has,
    the input might as well be stored alone.
    """
    together = sorted(stored_with(read, inputs, companions))
    return digest("joint", inputs[read].blob.object if together else "", together)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelude:
    """Definitions that must stand in ``__main__`` before an input can be decoded.

    An artifact refers to the notebook's own classes by name. Either the classes themselves are
    given (`payload`, from the closure of the step that made it), or the statements that define
    them (`source`, where a component's cell defines them).

    Parameters
    ----------
    title
        The file name under which `source` is compiled.
    """

    payload: bytes = b""
    source: str = ""
    title: str = "<definitions>"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpec:
    """One step, ready to run anywhere that reaches the store.

    Parameters
    ----------
    title
        What tracebacks call the cell: ``Cell In[5]``.
    cell
        The cell as typed: what tracebacks quote.
    code
        Plain Python whose line numbers are those of the cell.
    function
        Name of the one function of a cell in function form.
    outputs
        Names to store after the body has run. Where they are declared, one that is not bound or
        cannot be stored fails the step; else it is left out with the reason.
    contested
        Inputs that another step of the same run reads as well, after this one: by name, that step. To change
        one in place must be said in the header.
    inputs
        By name, what to decode from the store.
    companions
        By object of the store, the names of what is stored there together with an input, and is still
        called so in the notebook.
    imports
        By name, module and attribute to bind: ``{"pd": ("pandas", None)}``.
    payload
        The closure's pickle, from `jupyter_mlpipe.keys.payload`.
    preludes
        In order, before inputs are decoded.
    earlier
        Definitions that inputs refer to and the notebook has defined anew: name, digest, and a pickle of it.
    altered
        What steps that this one comes after made definitions hold.
    codecs
        Those that the notebook has registered.
    options
        A pickle of what the notebook has set, by provider of settings.
    states
        The notebook's random states by name.
    sources
        By file name, the text of captured code, for tracebacks.
    titles
        By file name of captured code, what tracebacks call it, where they call it other than that.
    modules
        Local modules by name; the step imports these sources and never the files.
    store, signer
        Where `jupyter_mlpipe.store.store.open_store` finds the store, and what signs the record there.
    folder
        The notebook's working directory, where the step runs too.
    sys_path
        The notebook's `sys.path`; what only the worker has comes after it.
    environment
        Environment variables to set, or to remove where None.
    traceback_mode
        How much tracebacks show, in the words of ``%xmode``.
    shows
        Whether the code may display more than printed text.
    cpus
        Threads that BLAS and OpenMP may use; fractions count as one.
    gpus
        Devices to give; which ones is decided on the worker.
    memory_bytes
        What its processes may use together; 0 for no limit.
    scratch
        Whether it runs in an empty folder of its own rather than in `folder`.
    spawn
        Whether it runs in a new interpreter.
    preload
        Modules worth importing ahead in the fork server.
    file_limits
        How much of the files that it writes is kept.
    places
        Files and folders that it was declared to read.
    why
        For people, why it runs.
    notebook, user
        Labels for the record.
    """

    step: str
    key: str
    title: str = "Cell"
    cell: str = ""
    code: str = ""
    function: str | None = None
    postponed: bool = False
    outputs: tuple[str, ...] = ()
    outputs_declared: bool = False
    contested: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, object] = field(default_factory=dict)
    inputs: Mapping[str, Artifact] = field(default_factory=dict)
    companions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    imports: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    payload: bytes = b""
    preludes: tuple[Prelude, ...] = ()
    earlier: tuple[tuple[str, str, bytes], ...] = ()
    altered: tuple[DefinitionPickle, ...] = ()
    codecs: tuple[SentCodec, ...] = ()
    options: bytes = b""
    states: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, ModuleSource] = field(default_factory=dict)
    ingredients: tuple[Ingredient, ...] = ()
    store: str = ""
    signer: Signer | None = None
    folder: str = ""
    sys_path: tuple[str, ...] = ()
    environment: Mapping[str, str | None] = field(default_factory=dict)
    traceback_mode: str = USUAL_MODE
    shows: bool = False
    cpus: float = 1.0
    gpus: int = 0
    memory_bytes: int = 0
    scratch: bool = False
    spawn: bool = False
    preload: tuple[str, ...] = ()
    file_limits: Limits = field(default_factory=Limits)
    places: tuple[DeclaredPlace, ...] = ()
    why: str = ""
    notebook: str = ""
    user: str = ""

    def to_bytes(self) -> bytes:
        """Return the spec as the executor sends it."""
        return pickle.dumps(self, protocol=5)

    @staticmethod
    def from_bytes(encoded: bytes) -> StepSpec:
        """Read back what `to_bytes` gave."""
        spec = pickle.loads(encoded)
        if not isinstance(spec, StepSpec):
            raise TypeError(f"expected the bytes of a StepSpec, found a {type(spec).__name__}")
        return spec
