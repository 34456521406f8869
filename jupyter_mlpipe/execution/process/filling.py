"""What a step's code may read, bound in its namespace: imports, captured values, inputs, parameters."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
from typing import Any

from jupyter_mlpipe.errors import (
    ArtifactCorruptError,
    close_matches,
)
from jupyter_mlpipe.execution.process.local_modules import quote
from jupyter_mlpipe.execution.process.spec import Prelude, StepSpec
from jupyter_mlpipe.keys.earlier import keep
from jupyter_mlpipe.keys.payload import load_closure
from jupyter_mlpipe.model.futures import futures_of
from jupyter_mlpipe.store.store import Store


def fill(
    namespace: dict[str, Any], spec: StepSpec, store: Store
) -> tuple[dict[str, object], dict[str, object]]:
    """Bind all that the code may read; return inputs, parameters and captured values by name.

    Beside them, by name, what is stored together with inputs because it shares objects with them.
    """
    for name, (module_name, attribute) in spec.imports.items():
        namespace[name] = import_named(module_name, attribute)
    values: dict[str, object] = {}
    if spec.payload:
        values.update(load_closure(spec.payload, namespace))
        namespace.update(values)
    if spec.preludes:
        # They rest on the names of the code itself where both have them, and never replace these.
        own = dict(namespace)
        for prelude in spec.preludes:
            if prelude.payload:
                namespace.update(load_closure(prelude.payload, namespace) | own)
            if prelude.source:
                _define(prelude, namespace)
                namespace.update(own)
    for name, digest, payload in spec.earlier:
        keep(name, [digest], load_closure(payload, namespace)[name])
    together: dict[str, dict[str, Any]] = {}
    for name, artifact in spec.inputs.items():
        try:
            if not artifact.part:
                values[name] = store.get_value(artifact, namespace)
                continue
            if artifact.blob.object not in together:
                together[artifact.blob.object] = store.get_all(artifact, namespace)
            values[name] = together[artifact.blob.object][artifact.part]
        except ArtifactCorruptError:
            store.quarantine(artifact)
            raise
    values.update(spec.parameters)
    namespace.update(values)
    companions = {name: together[stored][name] for stored, names in spec.companions.items() for name in names}
    return values, companions


def _define(prelude: Prelude, namespace: dict[str, Any]) -> None:
    """Run the statements of a prelude, but for those that fail: what their names are needed for says so."""
    quote(prelude.title, prelude.source)
    tree = ast.parse(prelude.source)
    flags = futures_of(tree)
    # What they print was printed when their own cell ran.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for node in tree.body:
            code = compile(ast.Module([node], []), prelude.title, "exec", flags, dont_inherit=True)
            with contextlib.suppress(Exception):
                exec(code, namespace)


def import_named(module_name: str, attribute: str | None) -> object:
    module = importlib.import_module(module_name)
    if attribute is None:
        return module
    with contextlib.suppress(AttributeError):
        return getattr(module, attribute)
    try:
        return importlib.import_module(f"{module_name}.{attribute}")
    except ModuleNotFoundError:
        hint = close_matches(attribute, dir(module))
        raise ImportError(f"cannot import name '{attribute}' from '{module_name}'.{hint}") from None
