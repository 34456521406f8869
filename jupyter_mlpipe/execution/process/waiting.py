"""The life of a step's process: it is forked ahead, waits for its one step, serves it, and ends."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import faulthandler
import itertools
import os
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jupyter_mlpipe.execution.process.body import Body
from jupyter_mlpipe.execution.process.capture import Capture
from jupyter_mlpipe.execution.process.channel import Channel, PipeChannel
from jupyter_mlpipe.execution.process.filling import fill
from jupyter_mlpipe.execution.process.frontend import as_in_a_kernel
from jupyter_mlpipe.execution.process.leftovers import flush_files
from jupyter_mlpipe.execution.process.outcome import GivenValues
from jupyter_mlpipe.execution.process.outputs import Output
from jupyter_mlpipe.execution.process.own_state import OwnStates
from jupyter_mlpipe.execution.process.paths import excluded_folders
from jupyter_mlpipe.execution.process.processes import end_here, end_within, used_so_far
from jupyter_mlpipe.execution.process.recording import find_mentions
from jupyter_mlpipe.execution.process.scene import make_scene
from jupyter_mlpipe.execution.process.shell import make_shell_ahead
from jupyter_mlpipe.execution.process.spawn import sent_before, start_anew
from jupyter_mlpipe.execution.process.spec import StepSpec
from jupyter_mlpipe.execution.process.step import StepProcess, forget_folders, know_thread_pools
from jupyter_mlpipe.execution.process.telling import Told
from jupyter_mlpipe.execution.process.tracebacks import quoted_files
from jupyter_mlpipe.execution.process.unseen import names_bound_unseen, settle_classes
from jupyter_mlpipe.execution.process.watch import FileWatch
from jupyter_mlpipe.execution.process.wholelog import WholeLog
from jupyter_mlpipe.store.codecs import choose
from jupyter_mlpipe.store.files import FileKeeper
from jupyter_mlpipe.store.locks import Leases
from jupyter_mlpipe.store.logs import log_path
from jupyter_mlpipe.store.place import local_folder
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.records import to_bytes as record_to_bytes
from jupyter_mlpipe.store.registered import load_entry_points
from jupyter_mlpipe.store.store import Store
from jupyter_mlpipe.store.users import user_name

_EXIT_S = 5
_REHEARSED = StepSpec(step="", key="", code="x = 1\nx", outputs=("x",)).to_bytes()


class Waiting:
    """A process that waits for its step, with all done that does not depend on the step."""

    def __init__(self) -> None:
        self._channel: Channel | None = None
        self._capture = Capture(self._send)
        self._descriptors = self._capture.start()
        with contextlib.suppress(Exception):  # the step that meets it tells what is wrong
            rehearse()

    def _send(self, output: Output) -> None:
        assert self._channel is not None
        self._channel.send({"type": "output", "output": output, "upto": self._capture.sent_upto})

    def serve(self, connection: socket.socket) -> None:
        """Run the one step that the worker sends, then end this process."""
        channel = self._channel = Channel(connection)
        channel.send_hello(os.getpid(), self._descriptors)
        given, encoded = channel.receive(), channel.receive_bytes()
        if given is None or encoded is None:
            os._exit(0)
        _serve(channel, self._capture, given, encoded, may_spawn=True)


def _serve(channel: Channel, capture: Capture, given: Any, encoded: bytes, *, may_spawn: bool) -> None:
    faulthandler.enable(2, all_threads=False)
    started = time.perf_counter()
    told = Told(channel.send)
    ended: dict[str, Any] = {"type": "ended"}
    last_module = next(reversed(sys.modules))
    process = StepProcess(capture, told, channel.send)
    with contextlib.ExitStack() as lease:
        try:
            spec = StepSpec.from_bytes(encoded)
            if spec.spawn and may_spawn:
                start_anew(channel.descriptor, capture.descriptors, (given, encoded))
            store_folder = local_folder(spec.store)
            capture.log = WholeLog(
                log_path(store_folder, spec.key), lambda path: channel.send({"type": "log", "path": path})
            )
            capture.follow()
            if spec.memory_bytes:
                channel.send({"type": "limit", "memory_bytes": spec.memory_bytes})
            # Its notebook may be killed while it writes what has no record yet.
            lease.enter_context(Leases(store_folder).taken())
            record = process.run(spec, given, started)
            ended |= {"status": "succeeded", "record": record.to_json(), "verified": process.verified}
        except BaseException as error:  # whatever user code raises, SystemExit too, is told and not lost
            ended |= {"status": "failed", "error": process.describe(error), "quoted": quoted_files(error)}
            if (rescued := process.rescue(error)) is not None:
                ended["rescued"] = rescued.to_json()
            capture.stop()
            if capture.log is not None:
                capture.log.keep(capture.shown.texts())
    told.stop()
    ended["imported"] = _loaded_since(last_module)
    channel.send(ended | {"seconds": time.perf_counter() - started})
    _leave(channel, process)


def resume() -> None:
    """Run the step that a process was about to run which has then become this new interpreter."""
    connection, tails, (given, encoded) = sent_before()
    channel = Channel(socket.socket(fileno=connection))

    def send(output: Output) -> None:
        channel.send({"type": "output", "output": output, "upto": capture.sent_upto})

    capture = Capture(send)
    capture.resume(tails)
    forget_folders()
    _serve(channel, capture, given, encoded, may_spawn=False)


def wait_in(folder: str) -> None:
    """Wait, in a new interpreter, for modules to import and for one step; what it prints goes to a folder.

    Its standard input and output are the connection to the worker: when that is gone, so is this process.
    """
    pipes = open(os.dup(0), "rb"), open(os.dup(1), "wb")  # noqa: SIM115
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)

    def leave() -> None:
        shutil.rmtree(folder, ignore_errors=True)
        end_here(1)

    channel = PipeChannel(*pipes, on_end=leave)

    def send(output: Output) -> None:
        channel.send({"type": "output", "output": output, "upto": capture.sent_upto})

    capture = Capture(send)
    capture.start_in(folder)
    warm_up()
    while "preload" in (given := channel.receive() or {}):
        load(given["preload"])
        warm_up()
    encoded = channel.receive_bytes()
    if encoded is not None:
        forget_folders()
        _serve(channel, capture, given, encoded, may_spawn=False)


def load(modules: Sequence[str]) -> None:
    """Import modules ahead of the step that needs them, which tells what is wrong with one."""
    for module in modules:
        # As a cell does: libraries warn the code that imports them.
        with contextlib.suppress(Exception), as_in_a_kernel():
            exec(f"import {module}", {"__name__": "__main__"})


def _leave(channel: Channel, process: StepProcess) -> None:
    # Temporary folders and pools of the step go as at the end of any process, but within a time.
    end_within(_EXIT_S)
    channel.close()
    process.settle()
    atexit._run_exitfuncs()
    end_here(0)


def _loaded_since(module: str) -> list[str]:
    """Return the modules that came after this one, in their order. To look at all would copy their pages."""
    return [*itertools.takewhile(lambda name: name != module, reversed(sys.modules))][::-1]


def warm_up() -> None:
    """Do in the fork server, once, what every step would do again for the libraries loaded there."""
    excluded_folders()
    user_name()
    load_entry_points()
    samples: list[object] = [1, {1}]
    if "numpy" in sys.modules:
        know_thread_pools()
        samples.append(sys.modules["numpy"].zeros(1))
    if "pandas" in sys.modules:
        samples.append(sys.modules["pandas"].DataFrame({"a": [1], "b": ["x"]}))
    for sample in samples:
        # Codecs are imported at first use. What is wrong with one is told by the step that needs it.
        with contextlib.suppress(Exception):
            choose(sample, {})
    with contextlib.suppress(Exception):  # the step that needs one makes it, and tells what is wrong
        make_shell_ahead()


def rehearse() -> None:
    """Go through the motions of a step in a child that waits for one; what they change is put back.

    After a fork each page of memory costs a fault when it is first written: better now than in the step.
    """
    spec = StepSpec.from_bytes(_REHEARSED)
    namespace: dict[str, Any] = {"__builtins__": builtins}
    store = Store(Path(os.devnull))  # nothing is written: what is as small as this goes into the record
    file_watch = FileWatch(os.devnull)
    scene = make_scene(spec, namespace)
    try:
        values, companions = fill(namespace, spec, store)
        given = GivenValues(spec, store, values, companions)
        definitions = OwnStates(spec.code, namespace)
        scene.begin()
        Body(spec.code, "<rehearsal>").run(namespace, lambda _value: None)
        scene.end(namespace)
    finally:
        scene.leave()
    flush_files(namespace)
    mentions = find_mentions(spec, values, namespace)
    file_watch.mention(mentions)
    file_watch.written(mentions, FileKeeper(store.objects, spec.file_limits))
    settle_classes(namespace)
    names_bound_unseen(spec.code, frozenset(), values, spec.outputs, namespace)
    outputs = given.store_outcome(namespace, namespace).outputs
    definitions.end(namespace, outputs)
    record = Record(
        key="", outputs=outputs, shown=store.put_shown([]), used=used_so_far(), host=socket.gethostname()
    )
    record_to_bytes(record)
    record.to_json()
