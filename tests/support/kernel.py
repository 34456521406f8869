"""A real ipykernel to run cells in, as a front end does."""

from __future__ import annotations

import contextlib
import os
import queue
import re
import signal
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.manager import KernelManager

from tests.support.warm import Warm

MIME = "application/vnd.mlpipe+json"


def _listens(address: str, port: int) -> bool:
    with socket.socket() as own:
        # Where it has a port already, that is another one: TCP connects a port with itself.
        own.bind((address, 0))
        return own.getsockname()[1] != port and own.connect_ex((address, port)) == 0


@dataclass
class Result:
    """What running one cell gave."""

    status: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    error: dict[str, Any] | None = None
    expressions: dict[str, Any] = field(default_factory=dict)
    pages: list[dict[str, Any]] = field(default_factory=list)

    def check(self) -> Result:
        """Fail the test where the cell failed."""
        if self.status != "ok":
            raise AssertionError(self.traceback)
        return self

    @property
    def traceback(self) -> str:
        """The traceback without colours."""
        lines = (self.error or {}).get("traceback", [])
        return re.sub(r"\x1b\[[0-9;]*m", "", "\n".join(lines))

    @property
    def own(self) -> list[dict[str, Any]]:
        """The cell's own outputs: those without our mark."""
        return [o for o in self.outputs if MIME not in o.get("data", {})]

    @property
    def printed(self) -> str:
        return "".join(o["text"] for o in self.own if o["type"] == "stream" and o["name"] == "stdout")

    @property
    def printed_error(self) -> str:
        return "".join(o["text"] for o in self.own if o["type"] == "stream" and o["name"] == "stderr")

    @property
    def result(self) -> str | None:
        """Text of the last expression."""
        found = [o["data"]["text/plain"] for o in self.own if o["type"] == "execute_result"]
        return found[-1] if found else None

    @property
    def facts(self) -> dict[str, Any]:
        """What our own output says to programs: a receipt, a plan, a graph."""
        found = [o["data"][MIME] for o in self.outputs if MIME in o.get("data", {})]
        assert found, f"the cell has no output of ours: {self.outputs}"
        return dict(found[-1])

    @property
    def receipt(self) -> str:
        """The receipt's text."""
        found = [
            o["data"]["text/plain"]
            for o in self.outputs
            if o.get("data", {}).get(MIME, {}).get("kind") == "receipt"
        ]
        assert found, f"the cell has no receipt: {self.outputs}"
        return str(found[-1])

    @property
    def status_of_step(self) -> str:
        """What became of the step of a component's cell: ``reused``, ``succeeded``, ``failed``."""
        return str(self.facts["status"])


class Kernel:
    """One kernel process; where `warm` is given, a fork of what that keeps, if this can be told from none.

    Parameters
    ----------
    with_ours
        Its first cell is to load the extension: a fork has most of the modules for that.
    """

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        warm: Warm | None = None,
        *,
        with_ours: bool = False,
    ) -> None:
        self.folder = folder
        self._count = 0
        self._results: dict[str, Result] = {}
        self.displays: dict[str, dict[str, Any]] = {}  # outputs that can be updated, as they are
        self.comms: list[dict[str, Any]] = []  # what comms have sent: content of messages, with their kind
        self.on_message: Callable[[dict[str, Any]], None] = lambda message: None
        for attempt in range(3):
            self.manager = KernelManager(kernel_name="python3")
            if warm is not None:
                self.manager.provisioner = warm.provisioner(self.manager, with_ours=with_ours)
            self.manager.start_kernel(cwd=str(folder), env={**os.environ, **environment})
            self.client = self.manager.blocking_client()
            self._wait_until_it_listens(30)
            self.client.start_channels()
            try:
                self._wait_until_ready(30)
                break
            except RuntimeError:
                # Jupyter chooses free ports before the kernel binds them: another one may be quicker.
                self.close()
                if attempt == 2:
                    raise

    def _wait_until_it_listens(self, timeout: float) -> None:
        """Wait until the kernel has bound its ports.

        ZeroMQ, where it connects before, tries again after a tenth of a second, and may meet itself.
        """
        process = self.manager.provisioner.process  # type: ignore[union-attr]
        deadline = time.monotonic() + timeout
        for port in (self.client.shell_port, self.client.iopub_port, self.client.control_port):
            while not _listens(self.client.ip, port):
                if time.monotonic() > deadline or process.poll() is not None:
                    return
                time.sleep(0.005)

    def _wait_until_ready(self, timeout: float) -> None:
        """Ask what kernel it is until both its answer and word that it is idle again have come.

        `wait_for_ready` goes on until a fifth of a second has passed without a message: a minute and more
        of all tests together.
        """
        deadline = time.monotonic() + timeout
        asked: set[str] = set()
        answered: set[str] = set()
        idle: set[str] = set()
        while not answered & idle:
            if time.monotonic() > deadline or not self.manager.is_alive():
                raise RuntimeError("the kernel has died or does not answer")
            if asked <= answered:
                # What is sent before it listens to the other channel is idle unheard: it is asked again.
                asked.add(self.client.kernel_info())
            with contextlib.suppress(queue.Empty):
                parent = self.client.get_shell_msg(timeout=1)["parent_header"]
                if not parent:
                    # What was asked itself: where nobody listens yet, TCP may connect a port with itself.
                    raise RuntimeError("the kernel's port is taken by its client")
                answered.add(parent["msg_id"])
            with contextlib.suppress(queue.Empty):
                while (found := self._take(self.client.get_iopub_msg(timeout=0.2))) not in answered:
                    pass
                idle.add(found)

    @property
    def pid(self) -> int:
        return int(self.manager.provisioner.pid)  # type: ignore[union-attr]

    def start(
        self,
        code: str,
        *,
        cell_id: str | None = None,
        silent: bool = False,
        store_history: bool = True,
        user_expressions: Mapping[str, str] | None = None,
        **metadata: Any,
    ) -> str:
        """Send a cell without waiting; returns the id to wait for."""
        content = {
            "code": code,
            "silent": silent,
            "store_history": store_history and not silent,
            "user_expressions": dict(user_expressions or {}),
            "allow_stdin": False,
            # Cells are sent one by one: older kernels would drop the one that comes right after an error.
            "stop_on_error": False,
        }
        message = self.client.session.msg("execute_request", content)
        if cell_id is not None:
            message["metadata"].update({"cellId": cell_id, "deletedCells": []})
        message["metadata"].update(metadata)
        self.client.shell_channel.send(message)
        message_id = str(message["header"]["msg_id"])
        self._results[message_id] = Result("running")
        return message_id

    def wait(self, message_id: str, timeout: float = 120) -> Result:
        """Wait until a cell has ended; what others show meanwhile is kept for them."""
        result = self._results[message_id]
        deadline = time.monotonic() + timeout
        idle = reply = False
        while not (idle and reply):
            if time.monotonic() > deadline:
                raise TimeoutError(f"the cell did not end in {timeout} s; so far: {result.outputs}")
            # The reply comes before the kernel is idle: to look for it earlier would only cost time.
            if not idle:
                try:
                    message = self.client.get_iopub_msg(timeout=0.2)
                except queue.Empty:
                    continue
                idle = self._take(message) == message_id
                continue
            try:
                message = self.client.get_shell_msg(timeout=0.2)
            except queue.Empty:
                continue
            if message["parent_header"].get("msg_id") == message_id:
                result.status = message["content"]["status"]
                result.expressions = message["content"].get("user_expressions", {})
                payloads = message["content"].get("payload", [])
                result.pages = [payload for payload in payloads if payload["source"] == "page"]
                if result.status == "error":
                    result.error = message["content"]
                reply = True
        return result

    def run(self, code: str, *, timeout: float = 120, **asked: Any) -> Result:
        """Run a cell and wait for it; see `start` for what may be asked."""
        return self.wait(self.start(code, **asked), timeout)

    def value(self, expression: str) -> Any:
        """Return the value of an expression whose repr is a literal."""
        import ast

        result = self.run(f"print(repr({expression}))").check()
        return ast.literal_eval(result.printed)

    def settle(self, result: Result, done: Any, timeout: float = 60) -> Result:
        """Take what cells show after they have ended, until `done(result)` holds."""
        deadline = time.monotonic() + timeout
        while not done(result):
            if time.monotonic() > deadline:
                raise TimeoutError(f"did not come: {result.outputs}")
            try:
                self._take(self.client.get_iopub_msg(timeout=0.2))
            except queue.Empty:
                continue
        return result

    def listen(self, done: Callable[[], Any], timeout: float = 60) -> Any:
        """Take what comes until `done()` holds; returns what it gave."""
        deadline = time.monotonic() + timeout
        while not (found := done()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"did not come: {self.comms[-5:]}")
            try:
                self._take(self.client.get_iopub_msg(timeout=0.2))
            except queue.Empty:
                continue
        return found

    def result_of(self, message_id: str) -> Result:
        return self._results[message_id]

    def interrupt(self) -> None:
        self.manager.interrupt_kernel()

    def close(self) -> None:
        self.client.stop_channels()
        if self.manager.has_kernel:
            process = self.manager.provisioner.process  # type: ignore[union-attr]
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()  # the manager would look for its end every tenth of a second
            self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()

    def _take(self, message: dict[str, Any]) -> str | None:
        """Keep an output; returns the id of the cell that became idle, if one did."""
        self.on_message(message)
        parent = message["parent_header"].get("msg_id", "")
        kind, content = message["header"]["msg_type"], message["content"]
        if kind == "status" and content["execution_state"] == "idle":
            return str(parent)
        result = self._results.get(parent)
        if kind.startswith("comm_"):
            self.comms.append({"kind": kind, **content})
        if kind == "update_display_data":
            shown = self.displays.get(content["transient"]["display_id"])
            if shown is not None:
                shown["data"] = content["data"]
        elif result is not None and kind in ("stream", "display_data", "execute_result", "error"):
            output = {"type": kind, **content}
            result.outputs.append(output)
            display_id = content.get("transient", {}).get("display_id")
            if display_id:
                self.displays[display_id] = output
        elif result is not None and kind == "clear_output":
            result.outputs.append({"type": kind, **content})
        return None
