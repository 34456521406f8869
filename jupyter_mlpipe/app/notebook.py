"""Executing a notebook's cells, in order, in a real kernel; outputs go to the cell that they belong to.

Component cells return at once here (mode ``background``), so that independent steps overlap; what
they show comes later, and is matched to its cell by the message that it answers.
"""

from __future__ import annotations

import json
import os
import queue
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import KernelManager
from nbformat.v4 import output_from_msg

from jupyter_mlpipe.app.outline import header_of
from jupyter_mlpipe.errors import MLPipeError, UsageError
from jupyter_mlpipe.model.headless import VARIABLE

_START_S = 60


def read_notebook(path: Path) -> Any:
    """Read a notebook that has components.

    Raises
    ------
    UsageError
        It is not there, is no notebook, or has no component.
    """
    if not path.is_file():
        raise UsageError(f"There is no notebook '{path}'.")
    try:
        notebook = nbformat.read(path, as_version=4)
    except (ValueError, UnicodeDecodeError, nbformat.ValidationError) as error:
        reason = str(error).partition("\n")[0][:200]
        raise UsageError(f"'{path}' is not a notebook that can be read: {reason}") from None
    if not any(cell.cell_type == "code" and header_of(cell.source) for cell in notebook.cells):
        raise UsageError(
            f"'{path}' has no component: put %%component NAME on top of a cell, "
            "and %load_ext jupyter_mlpipe in a cell above."
        )
    return notebook


class CellError(Exception):
    """A cell raised; `traceback` holds lines with ANSI colours."""

    def __init__(self, ename: str, evalue: str, traceback: list[str]) -> None:
        super().__init__(f"{ename}: {evalue}")
        self.ename = ename
        self.traceback = traceback


class NotebookKernel:
    """A kernel that runs the cells of one notebook; use it as a context manager.

    Parameters
    ----------
    asked
        What the session in the kernel is asked to do; see `jupyter_mlpipe.notebook.headless`.
    on_run
        Called with the snapshot of a run (plain JSON values) at each of its changes.
    """

    def __init__(
        self, notebook: Any, path: Path, asked: Mapping[str, Any], on_run: Callable[[dict[str, Any]], None]
    ) -> None:
        self._notebook = notebook
        self._path = path.absolute()
        self._asked = asked
        self._on_run = on_run
        self._cells: dict[str, Any] = {}  # message id -> cell
        self._displays: dict[str, list[Any]] = {}  # display id -> outputs
        self._clear_next: set[str] = set()
        self._idle: set[str] = set()

    def __enter__(self) -> NotebookKernel:
        name = self._notebook.metadata.get("kernelspec", {}).get("name", "python3")
        self._manager = KernelManager(kernel_name=name)
        environment = {
            **os.environ,
            VARIABLE: json.dumps(dict(self._asked)),
            "MLPIPE_NOTEBOOK": str(self._path),
        }
        # The kernel may be started with -B or the like; its cells must see what a notebook's see.
        try:
            self._manager.start_kernel(cwd=str(self._path.parent), env=environment)
        except NoSuchKernel:
            raise UsageError(
                f"The notebook asks for the kernel '{name}', which is not installed here. "
                "See: jupyter kernelspec list"
            ) from None
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        try:
            self._client.wait_for_ready(timeout=_START_S)
        except RuntimeError as error:
            self.__exit__()
            raise MLPipeError(f"The kernel '{name}' did not start: {error}") from None
        return self

    def __exit__(self, *exc: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=False)

    def interrupt(self) -> None:
        """Interrupt what the kernel runs."""
        self._manager.interrupt_kernel()

    def run(self, cell: Any) -> None:
        """Run one cell, as JupyterLab would.

        Raises
        ------
        CellError
            It raised.
        """
        cell.outputs = []
        self._execute(cell.source, cell)

    def ask(self, expression: str) -> Any:
        """Return the value of an expression in the kernel that gives JSON text."""
        reply = self._execute("", None, expressions={"answer": expression})
        answer = reply["user_expressions"]["answer"]
        if answer["status"] != "ok":
            raise CellError(answer["ename"], answer["evalue"], answer["traceback"])
        import ast

        return json.loads(ast.literal_eval(answer["data"]["text/plain"]))

    def _execute(
        self, source: str, cell: Any, *, expressions: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        content = {
            "code": source,
            "silent": cell is None,
            "store_history": cell is not None,
            "user_expressions": dict(expressions or {}),
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self._client.session.msg("execute_request", content)
        if cell is not None:
            message["metadata"]["cellId"] = cell.get("id")
        message_id = message["header"]["msg_id"]
        self._cells[message_id] = cell
        self._client.shell_channel.send(message)
        reply = self._wait_for_reply(message_id)
        if cell is not None:
            cell.execution_count = reply.get("execution_count")
        if reply["status"] != "ok":
            raise CellError(
                reply.get("ename", "Aborted"), reply.get("evalue", ""), reply.get("traceback") or []
            )
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
            if not self._manager.is_alive():
                raise MLPipeError(
                    "The kernel died. What was finished is kept: run the command again to go on from there."
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
                if content.get("data", {}).get("kind") == "run":
                    self._on_run(content["data"]["snapshot"])
            elif self._cells.get(parent) is not None:
                self._place(kind, message, self._cells[parent])

    def _place(self, kind: str, message: dict[str, Any], cell: Any) -> None:
        content = message["content"]
        if kind == "clear_output":
            if content["wait"]:
                self._clear_next.add(cell.id)
            else:
                cell.outputs = []
        elif kind == "update_display_data":
            for output in self._displays.get(content["transient"].get("display_id", ""), ()):
                output.data = nbformat.from_dict(content["data"])
                output.metadata = nbformat.from_dict(content["metadata"])
        elif kind in ("stream", "display_data", "execute_result", "error"):
            if cell.id in self._clear_next:
                self._clear_next.discard(cell.id)
                cell.outputs = []
            output = output_from_msg(message)
            last = cell.outputs[-1] if cell.outputs else None
            if kind == "stream" and last is not None and last.get("name") == output.name:
                last.text += output.text
                return
            cell.outputs.append(output)
            display_id = content.get("transient", {}).get("display_id")
            if display_id:
                self._displays.setdefault(display_id, []).append(output)
