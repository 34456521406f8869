"""What a component's cell shows of its run: the receipt, then what the step shows, live."""

from __future__ import annotations

import importlib.util
import itertools
import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from jupyter_mlpipe.cells.names import analyse
from jupyter_mlpipe.cells.patches import find_patches
from jupyter_mlpipe.errors import describe_error
from jupyter_mlpipe.execution.process.body import UNFINISHED_TASKS
from jupyter_mlpipe.execution.process.common import HELD_BY_CLASS, IN_COMMON
from jupyter_mlpipe.execution.process.figures import OPEN_FIGURES, left_open
from jupyter_mlpipe.execution.process.indexes import SHARED_INDEX
from jupyter_mlpipe.execution.process.spec import CLOSED_FILE, NOT_BOUND
from jupyter_mlpipe.execution.process.tracebacks import TRACEBACK_OF
from jupyter_mlpipe.execution.runs.accept import is_accepted
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.execution.runs.runstep import RunStep
from jupyter_mlpipe.model.component import Component
from jupyter_mlpipe.model.metrics import describe_metrics, describe_progress, numbers_to_json
from jupyter_mlpipe.model.resources import describe_bytes, describe_seconds
from jupyter_mlpipe.model.status import describe_reasons, shorten
from jupyter_mlpipe.notebook.show.common import word_on_held
from jupyter_mlpipe.notebook.show.output import CellOutput
from jupyter_mlpipe.notebook.show.receipt import Receipt

_MISSED_BY_NOBODY = (CLOSED_FILE, NOT_BOUND)
_SAID_LATER = (SHARED_INDEX, IN_COMMON)  # below the cell for which it matters
_LOOKED_AT_CHARS = 1_000_000  # for warnings
_LARGE_BYTES = 500_000_000
_QUICK_S = 0.1  # what ends within it has its receipt shown once
_LOOK_S = 0.2
_DIGEST_LENGTH = 64  # of a file's content: whatever else is noted of a path is longer, or a word
_CHUNKS = re.compile(r"\b(?:num_chunks|n_chunks|iterchunks|chunk_lengths|to_batches)\b")
_display_ids = itertools.count()


class CellView:
    """What a component's cell shows of its run: the receipt, then what the step shows, live.

    Parameters
    ----------
    remark
        Gives what is worth saying once a step has been made, given also what it wrote to stderr; asked once.
    """

    def __init__(
        self,
        receipt: Receipt,
        output: CellOutput,
        notes: list[str],
        facts: Mapping[str, Any],
        remark: Callable[[RunStep, str], list[str]] = lambda step, stderr: [],
    ) -> None:
        self._receipt = receipt
        self._output = output
        self._display_id = f"mlpipe-receipt-{next(_display_ids)}"
        self._notes = notes
        self._facts = facts
        self._remark = remark
        self._remarked: list[str] | None = None
        self._events: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._run: Run | None = None
        self._in_cell = True
        self._has_receipt = False
        self._is_all_shown = False
        self._status = ""
        self._n_shown = 0
        self._stderr = ""

    def listen(self, kind: str, step: str, payload: Any) -> None:
        """Take an event from the runner's thread."""
        if kind in ("job", "end") or step == self._receipt.name:
            self._events.put((kind, payload))

    def begin(self, run: Run) -> None:
        self._run = run
        self._take_status(self._step.status)

    def wait(self, meanwhile: Callable[[], None] | None = None) -> None:
        """Show what comes until the run ends; an interrupt cancels the run.

        The receipt of a quick step is shown once, when it has ended: that costs less, and nothing flickers.

        Parameters
        ----------
        meanwhile
            Called once when the step has been sent to a worker: what would otherwise be done after it.
        """
        assert self._run is not None
        try:
            self._pump(meanwhile)
        except KeyboardInterrupt:
            self._run.cancel()
            self._run.wait(10)
            self._update()
            raise

    def follow(self) -> threading.Thread:
        """Show what comes from a thread of its own, while the notebook goes on; returns the thread."""

        self._in_cell = False

        def show() -> None:
            self._pump()
            error = self._step.error
            if self._step.status == "failed" and error is not None:
                # The cell has long returned: its error is shown below it all the same.
                self._output.error(error)

        thread = threading.Thread(target=show, name="mlpipe-cell", daemon=True)
        thread.start()
        return thread

    def anew(self) -> CellView:
        """Clear the cell, and return a view that shows another run of its step there."""
        self._output.clear(wait=False)
        return CellView(self._receipt, self._output, self._notes, self._facts, self._remark)

    def show_again(self, receipt: Receipt, run: Run) -> CellView:
        """Show another run of its step, which has ended, in place of this one; returns the view of that."""
        self._output.clear(wait=True)
        view = CellView(receipt, self._output, self._notes, {**self._facts, "by_itself": True}, self._remark)
        view._in_cell = False
        view.begin(run)
        step = view._step
        if step.status != "reused":
            for shown in step.shown:
                view._show(shown)
        if step.status == "failed" and step.error is not None:
            self._output.error(step.error)
        view._end()
        return view

    def _pump(self, meanwhile: Callable[[], None] | None = None) -> None:
        assert self._run is not None
        quick_until = time.monotonic() + _QUICK_S
        while True:
            left = quick_until - time.monotonic()
            if left <= 0:
                self.show_receipt()
            try:
                kind, payload = self._events.get(timeout=_LOOK_S if self._has_receipt else left)
            except queue.Empty:
                if self._run.status != "running":
                    break
                continue
            if kind == "output":
                self._show(payload)
            elif kind == "status":
                self._take_status(payload)
            elif kind == "progress":
                self._update()
            # Not before: who starts workers does that in this process.
            elif kind == "sent" and meanwhile is not None:
                self.show_receipt()
                meanwhile()
                meanwhile = None
            elif kind == "job":
                self.show_receipt()  # what runs here writes into the cell itself
                self._run.serve()
            elif kind == "end":
                break
        self._end()

    def _take_status(self, status: str) -> None:
        if status == self._status:
            return
        if status == "running" and self._n_shown:
            # A retry shows it all again; the cell holds nothing but what this view put there.
            self._output.clear(wait=False)
            self._n_shown, self._has_receipt = 0, False
            self.show_receipt()
        elif self._has_receipt and (status == "running" or (status == "queued" and self._step.why)):
            self._update()
        elif status == "reused":
            for shown in self._step.shown:
                self._show(shown)
        self._status = status

    @property
    def _step(self) -> RunStep:
        assert self._run is not None
        return self._run.steps[self._receipt.name]

    def _end(self) -> None:
        self._is_all_shown = True
        self._update()

    def show_receipt(self) -> None:
        """Show what the step is and how it stands, where that has not been done."""
        if not self._has_receipt:
            self._has_receipt = True
            self._output.display(self._bundle(), display_id=self._display_id)

    def _update(self) -> None:
        if self._has_receipt:
            self._output.update(self._bundle(), display_id=self._display_id)
        else:
            self.show_receipt()

    def _show(self, shown: Mapping[str, Any]) -> None:
        self.show_receipt()  # above all else
        self._n_shown += 1
        if shown.get("name") == "stderr" and len(self._stderr) < _LOOKED_AT_CHARS:
            self._stderr += str(shown["text"])
        # The last expression is handed to IPython as the cell's own, so that Out[n] shows it. At once:
        # figures left open come after it.
        if shown["output_type"] == "execute_result" and self._in_cell:
            self._output.result(shown)
        else:
            self._output.replay(shown)
        if shown.get("fails_cell") and self._in_cell:
            self._output.fail(shown)

    def _bundle(self) -> dict[str, Any]:
        step = self._step
        why = describe_reasons(step.reasons)
        notes = list(self._notes)
        if step.record is not None:
            live = step.record.live
            left_out = [(name, why) for name, why in step.record.left_out.items() if name not in live]
            if live:
                parts = "; ".join(f"{name} {why}".strip() for name, why in live.items())
                notes.append(f"runs each time: {parts}")
            notes += [f"{name} is not kept: {why}" for name, why in left_out if why not in _MISSED_BY_NOBODY]
            altered = step.record.altered
            notes += [_on_altered(name) for name in altered if not name.startswith(_SAID_LATER)]
            if step.metrics:
                notes.append(describe_metrics(step.metrics))
            notes += _large_outputs(step)
            notes += _files_not_kept(step)
            # A quick step has succeeded before what it wrote has been shown.
            if self._is_all_shown and self._remarked is None and step.status in ("succeeded", "reused"):
                self._remarked = self._remark(step, self._stderr)
            notes += self._remarked or []
        elif step.status == "failed":
            # Where its code has ended, what cannot be stored fails whoever reads it.
            notes += [
                f"{name} is not kept, and is as it was before the cell: {why}"
                for name, why in step.rescued.left_out.items()
                if why not in _MISSED_BY_NOBODY
            ]
        state: str
        if step.status == "reused":
            saved = step.saved_seconds
            state = "reused" + (f", saved {describe_seconds(saved)}" if saved else "")
            if is_accepted(step.reasons):
                state += f": {why}"
        elif step.status == "succeeded":
            alone = " by itself" if self._run is not None and self._run.by_itself else ""
            state = f"ran{alone} {describe_seconds(step.seconds or 0.0)}: {why}"
        elif step.status in ("failed", "skipped", "cancelled"):
            error = step.error
            first = describe_error(error) if error is not None else step.why
            state = step.status + (f": {first}" if first else "")
        elif step.status == "queued" and step.why:
            state = f"waits: {step.why}"
        else:
            far = f" {describe_progress(*step.progress)}" if step.progress is not None else ""
            state = f"runs{far}: {why}" if why else f"runs{far}"
        facts = {
            **self._facts,
            "reasons": [str(r) for r in step.reasons],
            "seconds": step.seconds,
            "used": step.used,
            "metrics": numbers_to_json(step.metrics),
        }
        return self._receipt.bundle(state, status=step.status, notes=notes, facts=facts)


_BARS = frozenset({"tqdm.auto", "tqdm.autonotebook", "tqdm.notebook"})


def _on_altered(name: str) -> str:
    if name.startswith(HELD_BY_CLASS):
        return word_on_held(name)
    if name == OPEN_FIGURES:
        return (
            "plt of later cells does not know the figures that this one leaves open: "
            "save or close them here, or run the cell with --here"
        )
    if name == UNFINISHED_TASKS:
        return (
            "tasks that had not ended with the cell's code were stopped: await them in this cell, "
            "or start them in one without await, which runs in the kernel"
        )
    if name.startswith(TRACEBACK_OF):
        return (
            f"{name.removeprefix(TRACEBACK_OF)} comes back without its traceback: keep the text of it "
            "(traceback.format_exc()), or put --here behind the component's name"
        )
    return (
        f"what the cell changes in {name} itself (a default, an attribute) may not reach later cells "
        "as it is here: keep it in a variable, or run the cell with --here"
    )


def _large_outputs(step: RunStep) -> list[str]:
    """Return a word on what takes much room and may be of use to nobody, when it is first made."""
    if step.status != "succeeded" or step.declares_outputs or step.record is None:
        return []
    return [
        f"{name} takes {describe_bytes(artifact.size)} in the store; where no other cell reads it, call it "
        f"_{name}, or name the outputs behind '->'"
        for name, artifact in step.record.outputs.items()
        if artifact.size >= _LARGE_BYTES
    ]


def word_on_bars(component: Component, namespace: Mapping[str, Any]) -> str:
    """Say that a bar is a widget only without our line; nothing where it is none, or the cell has no bar."""
    homes = {str(getattr(namespace.get(name), "__module__", "")) for name in component.reads}
    written = {bars for bars in _BARS if any(bars in d.source for d in component.definitions)}
    found = min(written | (homes & _BARS), default="")
    if not found or importlib.util.find_spec("ipywidgets") is None:
        return ""
    return (
        f"bars of {found} are widgets in the kernel only, text in a step: --here behind its name keeps them"
    )


_PRIVATE = re.compile(r"(?<![\w.])_(?!i{0,3}\b|[iod]h\b|i?\d+\b)\w+")
"""Names that begin with `_`, but for IPython's."""


def words_on_private(component: Component, namespace: Mapping[str, Any]) -> list[str]:
    """Say of names that a step binds for itself, and the notebook has as well, which of the two stays."""
    if component.options.here or component.function is not None:
        return []
    found = {name for name in _PRIVATE.findall(component.code) if name in namespace}
    if not found:
        return []
    found.difference_update(component.outputs, (definition.name for definition in component.definitions))
    return [
        f"{name} is another one in this step only, and stays as it was in the notebook: call it otherwise, "
        f"or write '-> {name}' in the header"
        for name in sorted(found.intersection(analyse(component.code).binds))
    ]


_PYPLOTS = frozenset({"matplotlib.pyplot", "matplotlib.pylab", "pylab"})


def word_on_open_figures(component: Component, namespace: Mapping[str, Any]) -> str:
    """Say whose figures a step draws on; nothing where the kernel has none open, or the cell no pyplot."""
    if component.options.here or not left_open():
        return ""
    has_pyplot = any(getattr(namespace.get(n), "__name__", "") in _PYPLOTS for n in component.reads)
    if not has_pyplot and not any(name in d.source for name in _PYPLOTS for d in component.definitions):
        return ""
    return (
        "plt in a step does not know the figures that earlier cells have left open, nor show them: "
        "draw by their axes, or put --here behind the component's name"
    )


def detached_outputs(step: RunStep) -> set[str]:
    """Return the outputs with tensors that have lost the history of their computation."""
    outputs = step.record.outputs if step.record is not None else {}
    return {name for name, artifact in outputs.items() if artifact.detached}


def word_on_detached(names: Iterable[str]) -> str:
    """Say what becomes of such outputs, and what to do."""
    listed = sorted(names)
    come = "comes" if len(listed) == 1 else "come"
    return (
        f"{', '.join(listed)} {come} back detached (no grad_fn): compute and call backward() in one cell, "
        "or put --here behind the component's name"
    )


def _files_not_kept(step: RunStep) -> list[str]:
    """Return a word on files that are too large for the store, or of which it is not sure whose they are."""
    if step.status != "succeeded" or step.record is None:
        return []
    paths = [entry.path for entry in step.record.written if entry.kind == "file" and entry.blob is None]
    if not paths:
        return []
    return [f"{shorten(paths)} is on disk only: where it is changed or removed, the step runs again"]


def word_on_undeclared(step: RunStep) -> str:
    """Say how to declare a file that a step reads; nothing where all that it reads is declared."""
    if step.record is None:
        return ""
    own = {entry.path for entry in step.record.written}
    for path, digest in step.record.files.items():
        is_code = path.endswith((".py", ".pyc", ".so", ".ipynb"))
        if len(digest) == _DIGEST_LENGTH and path not in own and not is_code:
            return f'reads {path}: declare it as {step.name}(path: File = "{path}"), and open path'
    return ""


_WARNING = re.compile(r"^\S.*:\d+: \w+: .*$", re.MULTILINE)


def warnings_in(text: str) -> list[str]:
    """Return the warnings in what was written to stderr, each with its place."""
    return _WARNING.findall(text)


def words_on(component: Component, namespace: Mapping[str, Any]) -> list[str]:
    """Return a word on what has no effect, or less than without our line: options, changes of libraries."""
    if component.options.here:
        return []  # the kernel has all names, and keeps what is done to it
    partly = [
        f"{name}() in a step holds what the step reads and binds, not all names of the notebook"
        for name in ("globals", "locals")
        if name in component.reads
    ]
    patched = [
        f"{patch} changes a library in this step's process only: other components need it in their own cell, "
        "plain cells in a plain one (or put --here behind this component's name)"
        for patch in patches_of(component, namespace)
    ]
    if "cache_info" in component.code:
        partly.append("cache_info() counts the calls of this step: what a cache holds stays in its step")
    if _CHUNKS.search(component.code):
        partly.append(
            "Arrow tables come to a step, and from it, in one piece, however they were cut into chunks"
        )
    if "gc.freeze" in component.code:
        partly.append("gc.freeze() holds in this step's process only: freeze in a plain cell what is to stay")
    return [*partly, *patched]


def patches_of(component: Component, namespace: Mapping[str, Any]) -> list[str]:
    """Return what a component's code puts into libraries."""
    imported = {definition.name for definition in component.definitions if definition.kind == "import"}
    return [
        patch
        for root, patch in find_patches(component.code)
        if root in imported or _is_foreign(namespace.get(root))
    ]


def _is_foreign(value: object) -> bool:
    if isinstance(value, type):
        return value.__module__ not in ("__main__", "builtins")
    return isinstance(value, ModuleType)
