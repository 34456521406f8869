"""Codecs of users: registered in the notebook and sent to steps with what they read, or by entry points."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from jupyter_mlpipe.errors import EncodingError, UsageError
from jupyter_mlpipe.keys.artifacts import dump_definitions, load_artifact
from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.closure import Closure, Closures, ModuleSource
from jupyter_mlpipe.keys.custom import BY_TYPE, CODECS, CustomCodec, TypeName, type_name
from jupyter_mlpipe.keys.modules import LocalModules
from jupyter_mlpipe.keys.payload import dump_closure, load_closure
from jupyter_mlpipe.keys.witness import Scope
from jupyter_mlpipe.model.component import Component, Options

ENTRY_POINTS = "jupyter_mlpipe.codecs"
_ENCODE, _DECODE = "__mlpipe_encode", "__mlpipe_decode"
# Stored by codecs of this package, on whose exactness much rests.
_OWN_TYPES = frozenset(
    {("numpy", "ndarray"), ("pandas", "DataFrame"), ("pandas", "Series"), ("pyarrow.lib", "Table")}
)

Encode = Callable[[Any, BinaryIO], object]
Decode = Callable[[BinaryIO], Any]


@dataclass(frozen=True, slots=True)
class SentCodec:
    """A codec of the notebook on its way to a step.

    Parameters
    ----------
    version
        What it is known by, its code included.
    functions, classes
        Pickles of its functions with what they read, and of the notebook's classes among that.
    digests
        Of what it reads, by the name in the notebook.
    imports, modules, sources
        As in `Closure`.
    """

    name: str
    type: TypeName
    version: str
    functions: bytes
    classes: bytes = b""
    digests: Mapping[str, str] = field(default_factory=dict)
    imports: Mapping[str, tuple[str, str | None]] = field(default_factory=dict)
    modules: Mapping[str, ModuleSource] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)


def register_codec(type_: type, *, encode: Encode, decode: Decode, name: str, version: int = 1) -> None:
    """Say how values of a type are stored: as outputs, inside other values, and where a cell captures them.

    It reaches the steps with all that its functions read; when their code changes, what was stored by it is
    made again. Registering a name for the same type again replaces the codec.

    Parameters
    ----------
    type_
        Exactly this type; subclasses are not meant.
    encode
        Called with a value and a binary file to write to. Equal values should give equal bytes, else the
        steps below run more often than they need to.
    decode
        Called with a binary file to read from; returns a value of `type_`.
    name
        By which artifacts name the codec.
    version
        To be raised when the bytes become others. For a codec of an entry point of the group
        ``jupyter_mlpipe.codecs`` that is all that tells.

    Raises
    ------
    UsageError
        The name, or the type, has another codec, or the call is made in a step.
    """
    if not isinstance(type_, type):
        raise UsageError(f"register_codec expects a type; found {type_!r}.")
    kind = type_name(type_)
    described = ".".join(kind)
    if kind[0] == "builtins" or kind in _OWN_TYPES:
        raise UsageError(f"{described} is stored by jupyter-mlpipe itself. Register a class of your own.")
    if not callable(encode) or not callable(decode):
        raise UsageError(f"Codec '{name}' needs functions encode(value, file) and decode(file).")
    if (other := CODECS.get(name)) is not None and other.type != kind:
        raise UsageError(
            f"The name '{name}' is taken: it is that of the codec for {'.'.join(other.type)}. Choose another."
        )
    if (there := BY_TYPE.get(kind)) is not None and there.name != name:
        raise UsageError(
            f"{described} has a codec already: '{there.name}'. Register it by that name to replace it."
        )
    if _state.is_step:
        if other is not None:
            return  # a module that registers it when it is imported, as it did in the notebook
        raise UsageError(
            f"Codec '{name}' is registered in a step, and the notebook could not read what the step stores "
            "by it. Call register_codec, or import the module that does, in a cell without %%component."
        )
    _state.own.pop(name, None)
    if _state.is_entry_point:
        _add(CustomCodec(name, kind, lambda: str(version), lambda: encode, lambda: decode))
        return
    own = _state.own[name] = _Own(name, kind, encode, decode, version)
    _add(CustomCodec(name, kind, lambda: own.capture().version, lambda: encode, lambda: decode))


def load_entry_points() -> None:
    """Register the codecs of installed packages, once."""
    if _state.has_entry_points:
        return
    _state.has_entry_points = True
    from importlib.metadata import entry_points

    before, _state.is_entry_point = (_state.is_step, _state.is_entry_point), True
    _state.is_step = False
    try:
        for found in entry_points(group=ENTRY_POINTS):
            try:
                found.load()()
            except Exception as error:  # of a package of others: it must not keep all else from being stored
                warnings.warn(
                    f"The codec of entry point '{found.name}' ({found.value}) is not there: {error}",
                    stacklevel=2,
                )
    finally:
        _state.is_step, _state.is_entry_point = before


def codecs_to_send() -> tuple[SentCodec, ...]:
    """Return the codecs that this notebook has registered, as they are now, or that this process was sent."""
    sent = (received.sent for received in _state.received)
    return (*sent, *(own.capture() for own in list(_state.own.values())))


def receive(codecs: Iterable[SentCodec], shared: Mapping[str, str], namespace: dict[str, Any]) -> None:
    """Register, in a step's process, what the notebook has sent; each is loaded when it is first needed.

    Parameters
    ----------
    shared
        Digests of what the step itself was sent, by name.
    """
    _state.is_step = True
    for sent in codecs:
        received = _Received(sent, shared, namespace)
        _state.received.append(received)
        _add(
            CustomCodec(
                sent.name,
                sent.type,
                lambda version=sent.version: version,  # type: ignore[misc]
                lambda received=received: received.function(_ENCODE),  # type: ignore[misc]
                lambda received=received: received.function(_DECODE),  # type: ignore[misc]
            )
        )


def settle() -> None:
    """Note, once a step has its names, what those stand for that it shares with codecs."""
    for received in _state.received:
        received.settle()


def _add(codec: CustomCodec) -> None:
    CODECS[codec.name] = BY_TYPE[codec.type] = codec


class _Own:
    """A codec that was registered here."""

    def __init__(self, name: str, kind: TypeName, encode: Encode, decode: Decode, version: int) -> None:
        self.name = name
        self._type = kind
        self._functions = {_ENCODE: encode, _DECODE: decode}
        self._version = version
        self._captured: tuple[Closure, SentCodec] | None = None

    def capture(self) -> SentCodec:
        """Return the codec as its code is now, with all that this reads.

        Raises
        ------
        EncodingError
            It reads what has no digest, or cannot be sent.
        """
        namespace = vars(sys.modules["__main__"])
        # It runs in the kernel as well: its local modules count as wholes.
        component = Component(
            f"codec {self.name}", "", "", reads=(_ENCODE, _DECODE), options=Options(here=True)
        )
        closure = _state.closures.take(component, Scope(namespace, (), self._functions), _state.modules)
        if self._captured is None or self._captured[0] is not closure:
            self._captured = closure, self._pickle(closure, namespace)
        return self._captured[1]

    def _pickle(self, closure: Closure, namespace: dict[str, Any]) -> SentCodec:
        for problem in (*closure.problems, *closure.unshippable):
            raise EncodingError(f"Codec '{self.name}' cannot be used in steps: {problem}")
        read = {n: self._functions[n] if n in self._functions else namespace[n] for n in closure.names}
        classes = {n: v for n, v in read.items() if isinstance(v, type) and v.__module__ == "__main__"}
        # Classes by name: a step has them already, and may have changed them.
        functions = {n: v for n, v in read.items() if n not in classes}
        names = {getattr(v, "__qualname__", "") for v in self._functions.values()}
        ingredients = [(i.kind, i.name, i.digest) for i in closure.ingredients]
        return SentCodec(
            self.name,
            self._type,
            f"{self._version}-{digest('codec', self._version, ingredients)[:16]}",
            dump_definitions(functions, namespace, also=names)[0],
            dump_closure(classes, namespace) if classes else b"",
            {i.name: i.digest for i in closure.ingredients if i.name in functions},
            closure.imports,
            closure.modules,
            closure.sources,
        )


class _Received:
    """A codec in a step's process, loaded when it is first needed.

    Its functions see the names of the step, as they see those of the notebook: where the step has the same
    helper, that one; where it has something else by that name, they must not run.
    """

    def __init__(self, sent: SentCodec, shared: Mapping[str, str], namespace: dict[str, Any]) -> None:
        self.sent = sent
        self._namespace = namespace
        self._shared = {name for name, content in sent.digests.items() if shared.get(name) == content}
        self._settled: dict[str, Any] = {}
        self._read: dict[str, Any] | None = None
        self._functions: dict[str, Any] = {}

    def settle(self) -> None:
        self._settled = {n: self._namespace[n] for n in self._shared if n in self._namespace}

    def function(self, which: str) -> Any:
        if self._read is None:
            self._read = self._load()
        for name, value in self._read.items():
            found = self._namespace.get(name)
            if found is not value and not (name in self._settled and found is self._settled[name]):
                raise EncodingError(
                    f"Codec '{self.sent.name}' reads '{name}' of the notebook, which stands for something "
                    f"else in this step. Give it to the codec's functions as a default argument "
                    f"('{name}={name}'), or call it otherwise in the step."
                )
        return self._functions[which]

    def _load(self) -> dict[str, Any]:
        sent, namespace = self.sent, self._namespace
        found: dict[str, Any] = {}
        for name, (module, attribute) in sent.imports.items():
            loaded = importlib.import_module(module)
            found[name] = loaded if attribute is None else getattr(loaded, attribute)
        if sent.classes and sent.type[1].partition(".")[0] not in namespace:
            for name, cls in load_closure(sent.classes, namespace).items():
                namespace.setdefault(name, cls)
        found |= load_artifact(sent.functions, (), namespace)
        self._functions = {which: found.pop(which) for which in (_ENCODE, _DECODE)}
        for name, value in found.items():
            namespace.setdefault(name, value)
        return {name: value for name, value in found.items() if "." not in name}


class _State:
    """What this process has registered."""

    def __init__(self) -> None:
        self.own: dict[str, _Own] = {}
        self.received: list[_Received] = []
        self.closures = Closures()
        self.modules = LocalModules()
        self.is_step = False
        self.is_entry_point = False
        self.has_entry_points = False


_state = _State()
