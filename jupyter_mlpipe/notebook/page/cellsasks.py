"""What JupyterLab's extension asks: each `do` has its answer here.

A question is `{"cells": true, "id": 7, "do": "step", "step": "fit"}`, its answer `{"answer": 7, ...}`, with
`"error"` in the words of the error where it could not be done.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from jupyter_mlpipe.errors import MLPipeError
from jupyter_mlpipe.execution.runs.past import list_runs, tell_runs
from jupyter_mlpipe.execution.runs.run import Run
from jupyter_mlpipe.notebook.page import cellcommands
from jupyter_mlpipe.notebook.page.asks import choose
from jupyter_mlpipe.notebook.page.stepview import step_detail
from jupyter_mlpipe.notebook.show.clusterview import describe_workers
from jupyter_mlpipe.notebook.show.words import plain
from jupyter_mlpipe.store.history import RunEntry

if TYPE_CHECKING:
    from jupyter_mlpipe.notebook.session import Session

Asked = Mapping[str, Any]
Answer = Mapping[str, Any]
_MOST_RUNS = 8
_log = logging.getLogger(__name__)


class CellsAsks:
    """Answers from whatever thread hears it: the kernel may be busy."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def answer(self, asked: Asked) -> None:
        """Do what is asked; what is not known is told, for the page may be of another version."""
        do = str(asked.get("do"))
        if do in BETWEEN_CELLS:
            self._session.shell.kernel.io_loop.add_callback(self._do, BETWEEN_CELLS[do], asked)
        elif do in AT_ONCE and cellcommands.is_for_main_thread(self._session, asked):
            self._session.shell.kernel.io_loop.add_callback(self._do, AT_ONCE[do], asked)
        elif do in AT_ONCE:
            self._do(AT_ONCE[do], asked)
        else:
            self._do(_unknown, asked)

    def _do(self, answer: Callable[[Session, Asked], Answer], asked: Asked) -> None:
        try:
            self._send(asked, answer(self._session, asked))
        except MLPipeError as error:
            self._send(asked, {"error": _sendable(str(error))})
        except Exception as error:  # or the page would wait for ever
            _log.exception("What the page asked could not be answered")
            self._send(asked, {"error": _sendable(f"{type(error).__name__}: {error}")})

    def _send(self, asked: Asked, answer: Answer) -> None:
        self._session.cells.send({"answer": asked.get("id"), **answer})


def _sendable(text: str) -> str:
    """Return a text without halves of characters, which a page may have and no message can."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _hello(session: Session, asked: Asked) -> Answer:
    if asked.get("client") and asked.get("path"):
        session.notebooks.meet(str(asked["client"]), str(asked["path"]))
    session.cells.tell_all()
    return {}


def _step(session: Session, asked: Asked) -> Answer:
    name = str(asked.get("step"))
    return {"step": name, "detail": step_detail(session, session.cells, name)}


def _close(session: Session, asked: Asked) -> Answer:
    session.cells.watch(None)
    return {}


def _stop(session: Session, asked: Asked) -> Answer:
    return {} if session.runs.cancel() else {"error": "Nothing is running"}


def _cancel(session: Session, asked: Asked) -> Answer:
    name = str(asked.get("step"))
    return {} if session.runs.cancel(name) else {"error": f"Nothing runs '{name}'"}


def _runs(session: Session, asked: Asked) -> Answer:
    going_on = [_entry(run) for run in reversed(session.runs.live) if run.status == "running"]
    ended = list_runs(session.backend.store, session.name, _MOST_RUNS)
    own = {entry.id for entry in going_on}
    told = tell_runs([*going_on, *(entry for entry in ended if entry.id not in own)][:_MOST_RUNS])
    rows = [[plain(str(cell), 60) for cell in row] for row in told.rows]
    return {"columns": list(told.columns), "rows": rows}


def _entry(run: Run) -> RunEntry:
    """Return a run as the history will have it, which is written at its end."""
    details = {"targets": list(run.targets), "steps": {}, "parameters": {}}
    return RunEntry(run.id, run.pipeline, run.status, time.time() - run.seconds, run.seconds, details)


def _workers(session: Session, asked: Asked) -> Answer:
    return describe_workers(session.backend.account())


def _run(session: Session, asked: Asked) -> Answer:
    """Start a run; what comes of it is told as any other."""
    how = str(asked.get("how"))
    targets, force = choose(session, how, asked.get("step"))
    with session.here.aside():
        run = session.start(targets, force=force, as_made=how == "stale")
    is_reused = all(step.status == "reused" for step in run.steps.values())
    return {"text": "Nothing had to run: all is reused" if is_reused else ""}


def _unknown(session: Session, asked: Asked) -> Answer:
    return {"error": f"The kernel does not know '{plain(str(asked.get('do')), 40)}': restart it"}


AT_ONCE: dict[str, Callable[[Session, Asked], Answer]] = {
    "hello": _hello,
    "step": _step,
    "close": _close,
    "stop": _stop,
    "cancel": _cancel,
    "runs": _runs,
    "workers": _workers,
    **cellcommands.AT_ONCE,
}
"""What any thread can answer."""

BETWEEN_CELLS: dict[str, Callable[[Session, Asked], Answer]] = {
    "run": _run,
    **cellcommands.BETWEEN_CELLS,
}
"""What the main thread does once it is free."""
