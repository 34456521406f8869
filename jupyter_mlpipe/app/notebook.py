"""Executing a notebook's cells, in order, in a real kernel; outputs go to the cell that they belong to.

Component cells return at once here (mode ``background``), so that independent steps overlap; what
they show comes later, and is matched to its cell by the message that it answers.
"""

from __future__ import annotations

import ast
import json
import os
import queue
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import KernelManager

from jupyter_mlpipe.app.document import Cell, Notebook, code_cells, output_of
from jupyter_mlpipe.app.interrupts import Interrupts
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.model.headless import VARIABLE

_START_S = 60
_LONGEST_SOCKET_NAME = 100  # Unix allows 104 to 108 bytes
_LOAD = "get_ipython().extension_manager.load_extension('jupyter_mlpipe')"
_OURS = re.compile(r"^\s*(?:%%(?:component|parameters)\b|%pipeline\b|#\| component:)", re.MULTILINE)
_ANSWERS = "__import__('jupyter_mlpipe.notebook.answers', fromlist=['answers'])"


class CellError(Exception):
    """A cell raised; `traceback` holds lines with ANSI colours."""

    def __init__(self, ename: str, evalue: str, traceback: list[str]) -> None:
        super().__init__(f"{ename}: {evalue}")
        self.ename = ename
        self.evalue = evalue
        self.traceback = traceback


class NotebookKernel:
    """A kernel that runs the cells of one notebook; use it as a context manager.

    Parameters
    ----------
    asked
        What the session in the kernel is asked to do; see `jupyter_mlpipe.notebook.running.headless`.
    on_run
        Called with the snapshot of a run (plain JSON values) and the run's id at each of its changes.
    """

    def __init__(
        self,
        notebook: Notebook,
        path: Path,
        asked: Mapping[str, Any],
        interrupts: Interrupts,
        on_run: Callable[[dict[str, Any], str], None] = lambda snapshot, run: None,
    ) -> None:
        self._notebook = notebook
        self._path = path.absolute()
        self._asked = asked
        self._interrupts = interrupts
        self._on_run = on_run
        self._cells: dict[str, Any] = {}  # message id -> cell
        self._displays: dict[str, list[Any]] = {}  # display id -> outputs
        self._clear_next: set[str] = set()  # message ids
        self._idle: set[str] = set()
        self._is_loaded = False

    def __enter__(self) -> NotebookKernel:
        name = self._notebook["metadata"].get("kernelspec", {}).get("name", "python3")
        self._folder = tempfile.TemporaryDirectory(prefix="mlpipe-")
        folder = Path(self._folder.name)
        self._manager = KernelManager(kernel_name=name, **_connection(folder))
        self._client: Any = None
        environment = {
            **os.environ,
            VARIABLE: json.dumps(dict(self._asked)),
            "MLPIPE_NOTEBOOK": str(self._path),
        }
        try:
            # What its process says past its cells (and a copy of what programs started by them print)
            # is of interest only where it dies.
            with (folder / "log").open("wb") as log:
                self._manager.start_kernel(
                    cwd=str(self._path.parent), env=environment, stdout=log, stderr=log
                )
            self._client = self._manager.blocking_client()
            self._client.start_channels(stdin=False, hb=False)
            self._greet(name)
        except NoSuchKernel:
            self._folder.cleanup()
            raise UsageError(
                f"The notebook asks for the kernel '{name}', which is not installed here. "
                "See: jupyter kernelspec list"
            ) from None
        except BaseException:
            self._close(now=True)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        self._close(now=kind is not None)

    def _close(self, *, now: bool) -> None:
        try:
            if self._client is not None:
                self._client.stop_channels()
            if self._manager.has_kernel:
                self._manager.shutdown_kernel(now=now)
            self._manager.cleanup_resources()
        finally:
            self._folder.cleanup()

    def _greet(self, name: str) -> None:
        """Wait until the kernel answers, on the channel of its outputs too."""
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            message = self._client.session.msg("kernel_info_request")
            self._client.shell_channel.send(message)
            again = time.monotonic() + 1
            while time.monotonic() < again:
                self._take_output(timeout=0.1)
                if message["header"]["msg_id"] in self._idle:
                    return
                self._interrupts.check()
                if not self._manager.is_alive():
                    raise MLPipeError(f"The kernel '{name}' ended while it started.{self._last_words()}")
        raise MLPipeError(f"The kernel '{name}' did not answer for {_START_S} s.{self._last_words()}")

    def _last_words(self) -> str:
        """Return the end of what the kernel's process said."""
        said = (Path(self._folder.name) / "log").read_text(encoding="utf-8", errors="replace").strip()
        return "\n" + "\n".join(said.splitlines()[-15:]) if said else ""

    def code_cells(self) -> list[Cell]:
        """Return the cells to run."""
        return code_cells(self._notebook)

    def cancel(self) -> dict[str, Any]:
        """Interrupt what the kernel runs and cancel its steps; returns what became of them."""
        self._manager.interrupt_kernel()
        answer: dict[str, Any] = self.ask("cancel")
        return answer

    def run(self, cell: Cell) -> None:
        """Run one cell, as JupyterLab would; a notebook need not load the extension, as a profile may.

        Raises
        ------
        CellError
            It raised.
        """
        if _OURS.search(cell["source"]):
            self.load()
        self._execute(cell["source"], cell)

    def load(self) -> None:
        """Load the extension, once; raises CellError where that fails."""
        if not self._is_loaded:
            self._execute(_LOAD, None)
            self._is_loaded = True

    def ask(self, question: str, *words: Sequence[str]) -> Any:
        """Return the kernel's answer to a question; see `jupyter_mlpipe.notebook.answers`."""
        return json.loads(self.evaluate(f"{_ANSWERS}.{question}({', '.join(repr(list(w)) for w in words)})"))

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression, a Python literal; raises MLPipeError where it raises."""
        reply = self._execute("", None, expressions={"answer": expression})
        answer = reply["user_expressions"]["answer"]
        if answer["status"] != "ok":
            raise MLPipeError(answer["evalue"])
        return ast.literal_eval(answer["data"]["text/plain"])

    def _execute(
        self, source: str, cell: Cell | None, *, expressions: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        content = {
            "code": source,
            "silent": cell is None,
            "store_history": cell is not None,
            "user_expressions": dict(expressions or {}),
            "allow_stdin": False,
            # Cells are sent one by one, so none waits that an error should stop; but a question may.
            "stop_on_error": False,
        }
        message = self._client.session.msg("execute_request", content)
        if cell is not None:
            message["metadata"]["cellId"] = cell.get("id")
        message_id = message["header"]["msg_id"]
        self._cells[message_id] = cell
        self._client.shell_channel.send(message)
        reply = self._wait_for_reply(message_id)
        if cell is not None:
            cell["execution_count"] = reply.get("execution_count")
        if reply["status"] != "ok":
            ename, evalue = reply.get("ename", "Aborted"), reply.get("evalue", "")
            raise CellError(ename, evalue, reply.get("traceback") or [f"{ename}: {evalue}"])
        return reply

    def _wait_for_reply(self, message_id: str) -> dict[str, Any]:
        content: dict[str, Any] | None = None
        while content is None or message_id not in self._idle:
            self._take_output(timeout=0.05 if content is None else 0.5)
            if content is None:
                with suppress(queue.Empty):
                    reply = self._client.get_shell_msg(timeout=0)
                    if reply["parent_header"].get("msg_id") == message_id:
                        content = dict(reply["content"])
            self._interrupts.check()
            if not self._manager.is_alive():
                raise MLPipeError(
                    "The kernel died. What was finished is kept: run the command again to go on from there."
                    + self._last_words()
                )
        return content

    def _take_output(self, timeout: float) -> None:
        """Take what the kernel publishes, for up to `timeout` seconds or until it is quiet."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                message = self._client.get_iopub_msg(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            kind = message["header"]["msg_type"]
            parent = message["parent_header"].get("msg_id", "")
            content = message["content"]
            if kind == "status":
                if content["execution_state"] == "idle":
                    self._idle.add(parent)
                    return
            elif kind in ("comm_open", "comm_msg"):
                told = content.get("data", {})
                if told.get("kind") == "run":
                    self._on_run(told["snapshot"], told["run"])
            elif self._cells.get(parent) is not None:
                self._place(kind, message, parent)

    def _place(self, kind: str, message: dict[str, Any], parent: str) -> None:
        content = message["content"]
        cell = self._cells[parent]
        if kind == "clear_output":
            if content["wait"]:
                self._clear_next.add(parent)
            else:
                cell["outputs"] = []
        elif kind == "update_display_data":
            for output in self._displays.get(content["transient"].get("display_id", ""), ()):
                output["data"], output["metadata"] = content["data"], content["metadata"]
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if parent in self._clear_next:
                self._clear_next.discard(parent)
                cell["outputs"] = []
            output = output_of(kind, content)
            last = cell["outputs"][-1] if cell["outputs"] else {}
            if kind == "stream" and last.get("name") == output["name"]:
                last["text"] += output["text"]
                return
            cell["outputs"].append(output)
            display_id = content.get("transient", {}).get("display_id")
            if display_id:
                self._displays.setdefault(display_id, []).append(output)


def _connection(folder: Path) -> dict[str, Any]:
    """Return how to reach the kernel: by files that only this user can open, else by loopback."""
    file = folder / "kernel.json"
    if os.name != "posix" or len(f"{file}-ipc-1") > _LONGEST_SOCKET_NAME:
        return {}
    return {"transport": "ipc", "connection_file": str(file)}
