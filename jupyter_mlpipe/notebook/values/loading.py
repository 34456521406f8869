"""Outputs and results of runs as values of the notebook: loaded when they are first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.notebook.steps.names import Names
from jupyter_mlpipe.notebook.values.definitions import Definitions
from jupyter_mlpipe.store.comparing import holds
from jupyter_mlpipe.store.records import Artifact
from jupyter_mlpipe.store.store import Store


class Loaded:
    """From which artifact each name was loaded last.

    Parameters
    ----------
    store
        Gives the store of the moment.
    """

    def __init__(self, store: Callable[[], Store], namespace: dict[str, Any]) -> None:
        self._store = store
        self._namespace = namespace
        self._artifacts: dict[str, Artifact] = {}

    def note(self, name: str, artifact: Artifact) -> None:
        self._artifacts[name] = artifact

    def version(self, name: str) -> str | None:
        """Return the digest of the artifact that a name was loaded from."""
        artifact = self._artifacts.get(name)
        return artifact.digest if artifact is not None else None

    def is_unchanged(self, name: str, value: Any) -> bool:
        """Tell whether a value still is what was loaded under its name."""
        artifact = self._artifacts.get(name)
        return artifact is None or holds(self._store(), artifact, value, self._namespace)


class Loading:
    """Loads them.

    Parameters
    ----------
    newest
        Gives the run that the names of a step follow; a given one where there is none.
    before
        Called with a step before an output of it is loaded.
    collect
        Takes over what runs have made: a step may be found to make more than its code shows.
    bring_live
        Has what a step made without being able to store it in the kernel; tells whether it is there.
    """

    def __init__(
        self,
        names: Names,
        loaded: Loaded,
        definitions: Definitions,
        *,
        newest: Callable[[str, Run], Run],
        before: Callable[[str], None],
        collect: Callable[[], None],
        bring_live: Callable[[str, str], bool],
    ) -> None:
        self._names = names
        self._loaded = loaded
        self._definitions = definitions
        self._newest = newest
        self._before = before
        self._collect = collect
        self._bring_live = bring_live
        self._begun: set[str] = set()

    def load(self, first: Run, step: str, out: str) -> Any:
        """Return an output of a step, from the latest run where that has given it."""
        self._before(step)
        run = self._newest(step, first)
        latest = run.steps[step]
        if latest.status == "failed" and out not in latest.rescued.outputs:
            run = first  # what a cell that failed was to bind stands for what it stood for before
        if latest.record is not None and out not in latest.record.outputs and self._bring_live(step, out):
            return self._names.namespace[out]
        name = f"{step}.{out}"
        # What a class of a component's cell made needs the class, though the reader may not name it.
        artifact = run.artifact(name)
        self._loaded.note(out, artifact)
        self._bring(out, artifact)
        if not artifact.part:
            return run[name]
        self._collect()
        values = run.load_together(name)
        for other, value in values.items():
            pending = self._names.pending.get(other)
            if other != out and pending is not None and pending.component == step:
                found = run.artifact(f"{step}.{other}")
                if found.blob == artifact.blob:
                    self._loaded.note(other, found)
                    self._names.put(other, value)
        return values[out]

    def _bring(self, out: str, artifact: Artifact) -> None:
        """Bring what an output cannot do without: its classes, and what functions inside it read."""
        self._definitions.bring(artifact.needs)
        if out in self._begun:
            return  # two may need one another
        self._begun.add(out)
        try:
            self._names.load(n for n in self._definitions.values_behind(artifact.needs) if n != out)
        finally:
            self._begun.discard(out)

    def load_error(self, run: Run, step: str) -> Exception | None:
        """Return the error that the code of a step raised; None where it could not be kept."""
        artifact = run.steps[step].rescued.error
        if artifact is not None:
            self._definitions.bring(artifact.needs)
        return run.raised(step)

    def load_result(self, run: Run, step: str) -> Any:
        """Return the value of the last expression of a step."""
        record = run.steps[step].record
        assert record is not None
        assert record.result is not None
        for out, artifact in record.outputs.items():
            # `df` at the end of a cell is the very object that the name stands for.
            if artifact.digest == record.result.digest and self._names.owner(out) == step:
                self._names.load([out])
                if self._names.is_version(out, artifact.digest):
                    return self._names.namespace[out]
        self._definitions.bring(record.result.needs)
        return run.result(step)
