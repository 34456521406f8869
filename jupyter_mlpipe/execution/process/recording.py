"""What is kept of a step that has run, in a process of its own or in the kernel: its record."""

from __future__ import annotations

import ast
import platform
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jupyter_mlpipe.errors import EncodingError
from jupyter_mlpipe.execution.process.mentions import Mentions
from jupyter_mlpipe.execution.process.outcome import Outcome
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.execution.process.telling import Told
from jupyter_mlpipe.keys.given import Effects
from jupyter_mlpipe.model.metrics import curves_to_json, numbers_to_json
from jupyter_mlpipe.model.parsed import parse
from jupyter_mlpipe.store.files import Written
from jupyter_mlpipe.store.records import Artifact, Record
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.texts import pack_texts
from jupyter_mlpipe.store.users import user_name


def find_mentions(spec: StepSpec, values: Mapping[str, object], namespace: Mapping[str, object]) -> Mentions:
    """Return which files a step's code, the values that it was given and its variables name."""
    mentions = Mentions()
    mentions.add_sources(spec.code, spec.modules)
    # Most values are variables as well: each is looked into once.
    named = (value for name, value in namespace.items() if name != "__name__")
    mentions.add_values({id(value): value for value in (*values.values(), *named)}.values())
    mentions.add_variables(namespace)
    return mentions


def make_record(
    spec: StepSpec,
    store: Store,
    outcome: Outcome,
    told: Told,
    *,
    results: Mapping[str, object],
    last: object,
    shown: Sequence[Mapping[str, Any]],
    effects: Effects | None,
    states: Mapping[str, str],
    files: Mapping[str, str],
    written: tuple[Written, ...],
    started: float,
) -> Record:
    """Return what every step's record holds; what its cell showed and set is in the store then.

    Parameters
    ----------
    results
        What its code has bound, by name.
    last
        The value of its last expression.
    shown
        Outputs as in a notebook file.
    started
        When it began, by `time.perf_counter`.
    """
    result = _store_result(last, outcome.outputs, results, store)
    ingredients, texts = pack_texts(spec.ingredients)
    return Record(
        key=spec.key,
        outputs=outcome.outputs,
        left_out=outcome.left_out,
        joint=outcome.joint,
        undeleted=_not_deleted(spec.code, results),
        result=result,
        ingredients=ingredients,
        texts=texts,
        shown=store.put_shown(shown),
        seconds=time.perf_counter() - started,
        metrics=numbers_to_json(told.metrics),
        curves=curves_to_json(told.curves),
        files=files,
        written=written,
        settings=store.objects.put(effects.to_bytes()) if effects is not None else None,
        states=states,
        step=spec.step,
        why=spec.why,
        created_at=time.time(),
        host=socket.gethostname(),
        user=spec.user or user_name(),
        python=platform.python_version(),
    )


def _not_deleted(code: str, results: Mapping[str, object]) -> tuple[str, ...]:
    """Return the names that `del` statements of the code could have taken away, and that are still there."""
    if "del" not in code:
        return ()
    nodes = ast.walk(parse(code))
    deleted = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del)}
    return tuple(sorted(deleted & results.keys()))


def _store_result(
    value: object, outputs: Mapping[str, Artifact], results: Mapping[str, object], store: Store
) -> Artifact | None:
    """Store the value of the last expression, for `Out[n]`; None where that cannot be done."""
    if value is None:
        return None
    for name, artifact in outputs.items():
        if results.get(name) is value:
            return artifact
    try:
        return store.put_value(value, vars(sys.modules["__main__"]))
    except EncodingError:
        return None  # what was shown is kept, which is what people look for
