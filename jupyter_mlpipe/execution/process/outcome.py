"""What a step's body left behind: which names to store, beyond those that its code shows.

A helper, another name of the same object, or a library may change an input in place. Its content is
compared after the body has run; what was changed is an output, and so is what shares objects with one.
"""

from __future__ import annotations

import contextlib
import sys
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jupyter_mlpipe.errors import EncodingError, StepOutputError, close_matches
from jupyter_mlpipe.execution.process.spec import CLOSED_FILE, NOT_BOUND, StepSpec, joint_mark, stored_with
from jupyter_mlpipe.execution.process.unseen import is_closed_file
from jupyter_mlpipe.execution.process.untouched import is_untouched, keep
from jupyter_mlpipe.keys.payload import load_closure
from jupyter_mlpipe.keys.values import is_closure, is_definition
from jupyter_mlpipe.model.defining import defined_by
from jupyter_mlpipe.model.files import Place
from jupyter_mlpipe.model.parsed import parse
from jupyter_mlpipe.store.comparing import are_same, can_store, content_of, is_same, refers_to_any
from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.sharing import find_groups, is_atom
from jupyter_mlpipe.store.store import Store

_GONE = object()


@dataclass(slots=True)
class Outcome:
    """What a step is to record; the fields are those of a `Record`."""

    outputs: dict[str, Artifact] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    joint: dict[str, str] = field(default_factory=dict)


class GivenValues:
    """The values that a step was given, as they were before its body ran.

    Parameters
    ----------
    values
        Inputs, parameters and captured values by the name that the code reads.
    companions
        Values that share objects with inputs, by the name that they have in the notebook. The code reads
        none of them.
    """

    def __init__(
        self, spec: StepSpec, store: Store, values: Mapping[str, object], companions: Mapping[str, object]
    ) -> None:
        self._spec = spec
        self._store = store
        # A contract says what a step may change, and a function's result is all that it gives.
        self._is_bound = spec.outputs_declared or spec.function is not None
        self._companions = dict(companions)
        self.values = values
        self._values = {
            name: value
            for name, value in values.items()
            if is_closure(value)
            # A declared file is the project's own: what becomes of it is told by what is on disk.
            or (
                (not isinstance(value, Place) or name in spec.inputs)
                and (not is_definition(value, _main()) and not isinstance(value, types.FunctionType | type))
            )
        }
        kept = ((name, keep(value)) for name, value in {**self._companions, **self._values}.items())
        self._kept = {name: found for name, found in kept if found is not None}
        self._parameters = {
            name: content_of(value, _main())
            for name, value in spec.parameters.items()
            if name in self._values and not is_atom(value)
        }
        defined = filter(None, map(defined_by, parse(spec.code).body))
        self._redefined = {name: _main()[name] for name in defined if name in _main()}
        self._captured: dict[str, Any] | None = None
        self._same: dict[str, bool] = {}

    def store_outcome(
        self,
        results: Mapping[str, object],
        namespace: Mapping[str, object],
        unseen: Iterable[str] = (),
    ) -> Outcome:
        """Store what the body bound and changed.

        Parameters
        ----------
        results
            What is bound: the namespace itself, or what a function returned.
        unseen
            Names that were bound without the code saying so.

        Raises
        ------
        StepOutputError
            A declared output is not bound or cannot be stored, or the code changes an input although the
            header says otherwise.
        """
        spec = self._spec
        stored = {name: results[name] for name in spec.outputs if name in results}
        found = Outcome()
        for name in spec.outputs:
            if name not in stored:
                if spec.outputs_declared:
                    raise StepOutputError(_unbound(name, spec, results))
                found.left_out[name] = NOT_BOUND
        groups = self._find_groups(stored, namespace)
        changed = self._find_changed(stored, namespace, groups)
        for name in changed:
            if self._is_bound or name in spec.contested:
                raise StepOutputError(_changed(name, spec))
        changed |= {name: namespace[name] for name in unseen if can_store(namespace[name], namespace)}
        stored |= changed
        self._store_all(stored, found, namespace, self._find_groups(stored, namespace) if changed else groups)
        if not self._is_bound:
            for name in spec.inputs:
                if {name, *stored_with(name, spec.inputs, spec.companions)} & stored.keys():
                    found.joint[name] = joint_mark(name, spec.inputs, spec.companions)
        return found

    def rescue(self, namespace: Mapping[str, object], unseen: Iterable[str] = ()) -> Outcome:
        """Store what the body had bound and changed when it failed, as far as that can be done."""
        stored = {name: namespace[name] for name in self._spec.outputs if name in namespace}
        found = Outcome()
        # The error of the code is what counts: what cannot be stored is not there.
        with contextlib.suppress(Exception):
            if not self._is_bound:
                stored |= self._find_changed(stored, namespace, self._find_groups(stored, namespace))
            stored |= {name: namespace[name] for name in unseen if can_store(namespace[name], namespace)}
            self._store_all(stored, found, namespace, self._find_groups(stored, namespace))
        return found

    def _find_changed(
        self,
        stored: Mapping[str, object],
        namespace: Mapping[str, object],
        groups: Sequence[tuple[str, ...]],
    ) -> dict[str, object]:
        """Return the names whose values are not what they were, and that are no output by the code.

        What shares objects with an output, or with one of these, is stored with it, changed or not: it is not
        looked at, unless another step reads it, too.
        """
        changed: dict[str, object] = {}

        def is_stored(name: str) -> bool:
            if name in stored:
                return True
            beside = next((group for group in groups if name in group), ())
            return name not in self._spec.contested and any(n in stored or n in changed for n in beside)

        for name, value in self._values.items():
            if is_stored(name):
                continue
            present = value if self._is_bound else namespace.get(name, _GONE)
            if present is not value:
                # Rebound by a helper. What the cell itself binds privately is nobody's business.
                if present is not _GONE and not name.startswith("_"):
                    changed[name] = present
            elif self._is_changed(name, value):
                changed[name] = value
        for name, value in self._companions.items():
            if not is_stored(name) and self._is_changed(name, value):
                changed[name] = value
        return changed

    def _is_changed(self, name: str, value: object) -> bool:
        if _is_atom(value) or (name in self._kept and is_untouched(self._kept[name], value)):
            return False
        if self._redefined and self._holds_redefined(value):
            return True
        if (is_changed := self._is_changed_together(name)) is not None:
            return is_changed
        content = content_of(value, _main())
        artifact = self._spec.inputs.get(name)
        if artifact is not None and content == (artifact.codec, artifact.blob.object):
            return False
        if name in self._parameters:
            return content != self._parameters[name]
        before = self._before(name)
        return before is not _GONE and not is_same(before, value, content, _main())

    def _holds_redefined(self, value: object) -> bool:
        """Tell whether a value holds a definition of the code that has the name of an earlier one.

        Values refer to definitions by name: a registry with the new one looks like that with the earlier one.
        """
        main = _main()
        anew = [main[name] for name, old in self._redefined.items() if main.get(name, old) is not old]
        return refers_to_any(anew, value, main)

    def _is_changed_together(self, name: str) -> bool | None:
        """Tell whether any of what is stored together with an input was changed: it is stored so again.

        None where it is stored alone, or where it counts which of it was changed.
        """
        inputs, companions, contested = self._spec.inputs, self._spec.companions, self._spec.contested
        for read, artifact in inputs.items():
            together = {read, *stored_with(read, inputs, companions)}
            if name not in together or len(together) == 1 or together & contested.keys() or self._is_bound:
                continue
            stored = artifact.blob.object
            if stored not in self._same:
                before, now = self._store.get_all(artifact), {**self._values, **self._companions}
                known = sorted(together & now.keys())
                self._same[stored] = are_same(
                    {n: before[n] for n in known}, {n: now[n] for n in known}, _main()
                )
            return not self._same[stored]
        return None

    def _before(self, name: str) -> object:
        """Return another copy of what the step was given under a name."""
        if name in self._companions:
            inputs, companions = self._spec.inputs, self._spec.companions
            holder = next(read for read in inputs if name in stored_with(read, inputs, companions))
            return self._store.get_all(inputs[holder])[name]
        if name in self._spec.inputs:
            return self._store.get_value(self._spec.inputs[name])
        if self._captured is None:
            self._captured = load_closure(self._spec.payload, _main()) if self._spec.payload else {}
        return self._captured.get(name, _GONE)

    def _find_groups(
        self, stored: Mapping[str, object], namespace: Mapping[str, object]
    ) -> list[tuple[str, ...]]:
        """Return which outputs and inputs share objects."""
        if all(map(is_atom, stored.values())):
            return []
        others = {
            name: value
            for name, value in {**self._companions, **self._values}.items()
            if name not in stored
            and not is_atom(value)
            and not self._is_bound
            and (name in self._companions or namespace.get(name, _GONE) is value)
        }
        if len(stored) + len(others) < 2:
            return []
        return find_groups({**stored, **others}, _main())

    def _store_all(
        self,
        stored: dict[str, object],
        found: Outcome,
        namespace: Mapping[str, object],
        groups: Sequence[tuple[str, ...]],
    ) -> None:
        values = {**self._companions, **self._values, **stored}
        together: set[str] = set()
        for group in groups:
            if stored.keys().isdisjoint(group):
                continue
            # An input that shares objects with an output becomes one.
            stored |= {name: values[name] for name in group}
            made = self._store.put_values({name: stored[name] for name in group}, namespace)
            found.outputs |= made
            together |= made.keys()
        for name, value in stored.items():
            if name in together:
                continue
            try:
                found.outputs[name] = self._store.put_value(value, namespace)
            except EncodingError as error:
                if self._spec.outputs_declared:
                    raise StepOutputError(f"Declared output '{name}' cannot be stored: {error}") from None
                found.left_out[name] = CLOSED_FILE if is_closed_file(value) else str(error)


def _main() -> dict[str, Any]:
    return vars(sys.modules["__main__"])


def _is_atom(value: object) -> bool:
    return is_atom(value) and not is_closure(value)


def _changed(name: str, spec: StepSpec) -> str:
    who = f" '{spec.contested[name]}' reads it, too." if name in spec.contested else ""
    add = ", ".join((*spec.outputs, name))
    return (
        f"The code changes its input '{name}' in place.{who} "
        f"Say so in the header with '-> {add}', or work on a copy of '{name}'."
    )


def _unbound(name: str, spec: StepSpec, results: Mapping[str, object]) -> str:
    given = {*spec.imports, *spec.inputs, *spec.parameters}
    bound = sorted(
        other
        for other, value in results.items()
        if not other.startswith("_") and other not in given and not isinstance(value, types.ModuleType)
    )
    listed = ", ".join(bound) or "nothing"
    return f"Declared output '{name}' was never bound; bound: {listed}.{close_matches(name, bound)}"
