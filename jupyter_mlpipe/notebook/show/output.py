"""Writing below one cell: from any thread, and also after the cell has ended."""

from __future__ import annotations

import itertools
import sys
import uuid
from collections.abc import Mapping
from typing import Any

from IPython.core.page import page

from jupyter_mlpipe.errors import MLPipeError, StepError
from jupyter_mlpipe.execution.process.outputs import OURS
from jupyter_mlpipe.notebook.show.tracebacks import render

MIME = OURS


class CellOutput:
    """The output area of the cell that is running when this is made.

    In a kernel, messages carry the header of that cell's request, so that they land below it
    whatever runs by then (a plain ``print`` from a thread lands below the latest cell). In a
    terminal they are printed.

    Parameters
    ----------
    decoy
        What VS Code is to forget in place of what is shown.
    """

    def __init__(self, shell: Any, decoy: Decoy | None = None) -> None:
        self._shell = shell
        self._decoy = decoy
        publisher = shell.display_pub
        self._publisher = publisher
        self._session = getattr(publisher, "session", None)
        self._socket = getattr(publisher, "pub_socket", None)
        self._parent = getattr(publisher, "parent_header", None)
        self.execution_count: int = shell.displayhook.prompt_count
        self.shown: Shown | None = None
        sys.stdout.flush()
        sys.stderr.flush()

    @property
    def is_kernel(self) -> bool:
        return self._session is not None and self._socket is not None

    def stream(self, name: str, text: str) -> None:
        """Write printed text; `name` is ``stdout`` or ``stderr``."""
        if self.is_kernel:
            self._send("stream", {"name": name, "text": text}, f"stream.{name}".encode())
        else:
            target = sys.stderr if name == "stderr" else sys.stdout
            target.write(text)
            target.flush()

    def display(
        self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None, *, display_id: str = ""
    ) -> None:
        """Show a mime bundle."""
        transient = {"display_id": display_id} if display_id else {}
        self._publish("display_data", data, metadata, transient)

    def update(
        self, data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None, *, display_id: str
    ) -> None:
        """Replace what was shown under `display_id`, wherever it stands."""
        self._publish("update_display_data", data, metadata, {"display_id": display_id})

    def begin(self) -> None:
        """Show the decoy, as the first of a cell that will show something; that takes its place."""
        if self.is_kernel and self._decoy is not None:
            self._send("display_data", self._decoy.content(), self._publisher.topic)
            self.clear(wait=True)

    def clear(self, *, wait: bool) -> None:
        if self.is_kernel:
            self._send("clear_output", {"wait": wait}, b"display_data")
        else:
            self._publisher.clear_output(wait)

    def error(self, error: MLPipeError) -> None:
        """Show an error as a cell shows its own."""
        if self.is_kernel:
            name = error.ename if isinstance(error, StepError) else type(error).__name__
            content = {"ename": name, "evalue": str(error), "traceback": render(error)}
            self._send("error", content, b"error")
        else:
            self.stream("stderr", "\n".join(render(error)) + "\n")

    def result(self, output: Mapping[str, Any]) -> None:
        """Show a last expression as the running cell's own; for the thread that runs the cell."""
        self.shown = Shown(output["data"], output.get("metadata"))
        self._shell.displayhook(self.shown)

    def fail(self, output: Mapping[str, Any]) -> None:
        """Have the running cell fail as a kernel does whose last expression cannot be shown.

        ipykernel does so from 7.3 on (`ZMQInteractiveShell._showtraceback`); earlier ones go on.
        """
        if hasattr(self._shell, "_last_traceback_during_displayhook"):
            self._shell._last_traceback_during_displayhook = True
            self._shell._last_traceback = output["traceback"]

    def replay(self, output: Mapping[str, Any]) -> None:
        """Show one output of a step as the step showed it (nbformat's words)."""
        kind = output["output_type"]
        if kind == "stream":
            self.stream(output["name"], output["text"])
        elif kind == "clear_output":
            self.clear(wait=bool(output.get("wait")))
        elif kind == "page":
            self._page(output)
        elif kind == "error":
            self._caught_error(output)
        elif kind == "execute_result" and self.is_kernel:
            content = {
                "data": dict(output["data"]),
                "metadata": dict(output.get("metadata") or {}),
                "execution_count": self.execution_count,
            }
            self._send("execute_result", content, b"execute_result")
        else:
            transient = output.get("transient") or {}
            message = "update_display_data" if kind == "update_display_data" else "display_data"
            self._publish(message, output["data"], output.get("metadata"), transient)

    def _caught_error(self, output: Mapping[str, Any]) -> None:
        if self.is_kernel:
            content = {part: output[part] for part in ("ename", "evalue", "traceback")}
            self._send("error", content, b"error")
        else:
            self.stream("stdout", "\n".join(output["traceback"]) + "\n")

    def _page(self, output: Mapping[str, Any]) -> None:
        if self.is_kernel:
            payload = {"source": "page", "data": dict(output["data"]), "start": output["start"]}
            self._shell.payload_manager.write_payload(payload)
        else:
            page(output["data"]["text/plain"], output["start"])

    def _publish(
        self,
        message: str,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None,
        transient: Mapping[str, Any],
    ) -> None:
        update = message == "update_display_data"
        if self.is_kernel:
            content = {"data": dict(data), "metadata": dict(metadata or {}), "transient": dict(transient)}
            self._send(message, content, self._publisher.topic)
            if transient and self._decoy is not None:
                self._send("update_display_data", self._decoy.content(), self._publisher.topic)
        elif not update:
            # A terminal cannot change what it has printed: the first picture stays.
            self._publisher.publish(dict(data), dict(metadata or {}), transient=dict(transient))

    def _send(self, message: str, content: dict[str, Any], topic: bytes) -> None:
        self._session.send(  # type: ignore[union-attr]
            self._socket, message, content, parent=self._parent, ident=topic
        )


class Decoy:
    """A display that VS Code forgets in place of one that is seen.

    VS Code clears a cell that is run again once its first message comes, and hears only later that this is
    done: then it forgets the display of the cell that it was told of last, by now a new one, and drops what
    is told of it from then on (`CellOutputDisplayIdTracker` of vscode-jupyter, seen with 2026.6.1). So each
    word on a display is followed by one on this, which has gone before anything else was shown.
    """

    def __init__(self) -> None:
        self._display_id = f"mlpipe-decoy-{uuid.uuid4().hex[:12]}"
        self._n = itertools.count()

    def content(self) -> dict[str, Any]:
        """Return what a message says of it: another text each time, as VS Code passes over the same one."""
        text = str(next(self._n) or "")
        data = {"text/plain": text, MIME: {"kind": "decoy"}}
        return {"data": data, "metadata": {}, "transient": {"display_id": self._display_id}}


class Shown:
    """The last expression of a step's cell, shown as the step saw it; `Out[n]` until its value is read."""

    def __init__(
        self, data: Mapping[str, Any] | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._data = dict(data or {})
        self._metadata = dict(metadata or {})

    def __repr__(self) -> str:
        return str(self._data.get("text/plain", ""))

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        return self._data, self._metadata
