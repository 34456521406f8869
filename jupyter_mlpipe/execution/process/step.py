"""What a step's process does: sets the scene, runs the code of a cell, stores what it gave."""

from __future__ import annotations

import atexit
import builtins
import contextlib
import os
import socket
import sys
import time
import traceback
import types
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from msgspec import structs

from jupyter_mlpipe.errors import (
    ClusterError,
    MLPipeError,
    StepOutputError,
)
from jupyter_mlpipe.execution.process.bars import follow_bars
from jupyter_mlpipe.execution.process.body import Body, ReturnedWrongly, call_function, unpack_result
from jupyter_mlpipe.execution.process.capture import Capture
from jupyter_mlpipe.execution.process.common import in_common
from jupyter_mlpipe.execution.process.declared import Declared
from jupyter_mlpipe.execution.process.figures import left_open
from jupyter_mlpipe.execution.process.filling import fill
from jupyter_mlpipe.execution.process.indexes import shared_indexes
from jupyter_mlpipe.execution.process.leftovers import flush_files
from jupyter_mlpipe.execution.process.local_modules import install_modules, quote
from jupyter_mlpipe.execution.process.messages import ErrorKind, StepFailure
from jupyter_mlpipe.execution.process.outcome import GivenValues
from jupyter_mlpipe.execution.process.own_state import OwnState, OwnStates
from jupyter_mlpipe.execution.process.processes import peak_memory, used_so_far
from jupyter_mlpipe.execution.process.recording import find_mentions, make_record
from jupyter_mlpipe.execution.process.rescued import Rescued, store_error
from jupyter_mlpipe.execution.process.scene import Scene, make_scene
from jupyter_mlpipe.execution.process.scratch import Scratch
from jupyter_mlpipe.execution.process.shell import LazyShell
from jupyter_mlpipe.execution.process.spec import NOT_BOUND, USUAL_MODE, VERIFIED_BYTES, StepSpec
from jupyter_mlpipe.execution.process.telling import Told
from jupyter_mlpipe.execution.process.tracebacks import describe_error, left_behind
from jupyter_mlpipe.execution.process.unlogged import keep_quiet
from jupyter_mlpipe.execution.process.unseen import names_bound_unseen, settle_classes
from jupyter_mlpipe.execution.process.watch import FileWatch
from jupyter_mlpipe.keys.given import Effects
from jupyter_mlpipe.keys.held import alter
from jupyter_mlpipe.keys.process import THREAD_VARIABLES, set_usual_limits
from jupyter_mlpipe.model.files import stand_in
from jupyter_mlpipe.store.files import FileKeeper
from jupyter_mlpipe.store.objects import Mark
from jupyter_mlpipe.store.records import Record
from jupyter_mlpipe.store.registered import receive, settle
from jupyter_mlpipe.store.store import Store, open_store

_thread_pools: Any = None


def _came_from_user_code(error: BaseException) -> bool:
    main = vars(sys.modules["__main__"])
    return any(frame.f_globals is main for frame, _line in traceback.walk_tb(error.__traceback__))


class StepProcess:
    """The state of one step while it runs.

    Parameters
    ----------
    send
        Takes what the worker is to know: where the step's own folder is, and that all is ready: from then
        on, to run the step once more would be to run its code twice.
    """

    def __init__(self, capture: Capture, told: Told, send: Callable[[Any], None]) -> None:
        self._capture = capture
        self._told = told
        self._send = send
        self._scratch: Scratch | None = None
        self._shell: LazyShell | None = None
        self._traceback_mode = USUAL_MODE
        self._running: (
            tuple[StepSpec, GivenValues, OwnStates, Scene, dict[str, Any], dict[str, Any]] | None
        ) = None
        self._store: Store | None = None
        self.verified: list[Mark] = []

    def settle(self) -> None:
        """Wait for the disk, once the worker has been told."""
        if self._store is not None:
            self._store.settle()

    def describe(self, error: BaseException) -> StepFailure:
        kind: ErrorKind = "output" if isinstance(error, StepOutputError) else "error"
        if isinstance(error, MLPipeError) and not _came_from_user_code(error):
            # The message says it all: the frames, and the error below it, are ours.
            error = error.with_traceback(None)
            error.__cause__, error.__suppress_context__ = None, True
        if self._scratch is not None and (word := self._scratch.word_on(error)):
            error.add_note(word)
        return describe_error(error, kind, self._shell, self._traceback_mode)

    def rescue(self, error: BaseException) -> Rescued | None:
        """Store what the code had done when it failed; None where it is not the code that failed."""
        if self._running is None:
            return None
        spec, given, definitions, scene, namespace, before = self._running
        bound = sorted(n for n, value in namespace.items() if n not in before or before[n] is not value)
        deleted = sorted(before.keys() - namespace.keys())
        effects, _ = scene.end(namespace)
        unseen: list[str] = []
        if not spec.outputs_declared:
            unseen = names_bound_unseen(spec.code, before, given.values, spec.outputs, namespace)
        found = given.rescue(namespace, unseen)
        with contextlib.suppress(Exception):  # the error of the code is what counts
            effects = _with_definitions(effects, definitions.end(namespace, found.outputs))
        assert self._store is not None
        kept_error = store_error(error, self._store, namespace)
        return Rescued(found.outputs, bound, effects, kept_error, found.left_out, deleted)

    def run(self, spec: StepSpec, sent: Mapping[str, Any], started: float) -> Record:
        module = types.ModuleType("__main__")
        namespace = module.__dict__
        namespace["__builtins__"] = builtins
        sys.modules["__main__"] = module
        _set_environment(spec, sent["environment"])
        self._enter_folder(spec)
        for file_name, text in spec.sources.items():
            quote(file_name, text)
        quote(spec.title, spec.cell or spec.code)
        self._traceback_mode = spec.traceback_mode
        titles = {spec.title: spec.title, **spec.titles}
        shell = self._shell = LazyShell(self._capture, module, titles)
        shell.install()
        beyond = install_modules(spec.modules)
        store = self._store = open_store(spec.store, signer=spec.signer, sweeps=False)
        store.copies.keep_own()
        atexit.register(store.copies.remove_own)
        store.objects.trust(tuple(mark) for mark in sent["verified"])
        stand_in({str(p.place): str(p.local) for p in spec.places if p.place.is_remote})
        declared = Declared(spec.places)
        ignored = [str(store.root), *([self._scratch.root] if self._scratch is not None else [])]
        ignored += [self._capture.folder] if self._capture.folder is not None else []
        file_watch = FileWatch(spec.folder or os.getcwd(), ignored, declared)
        store.bring(spec.inputs.values())  # which may read files that are no business of the step
        # Before the code's own imports: what a local module that is not in the snapshot reads counts too.
        file_watch.start()
        keep_quiet()
        body = Body(spec.code, spec.title, postponed=spec.postponed)
        scene = make_scene(spec, namespace)
        receive(spec.codecs, {part.name: part.digest for part in spec.ingredients}, namespace)
        values, companions = fill(namespace, spec, store)
        settle()
        _limit_threads(spec)
        known = frozenset(namespace)
        given = GivenValues(spec, store, values, companions)
        for altered in spec.altered:
            alter(altered, namespace)
        definitions = OwnStates(spec.code, namespace)
        if spec.modules:
            # They may have set something when they were imported, as they did in the notebook long ago.
            scene.set()
        scene.begin()
        if spec.function is None:
            self._running = spec, given, definitions, scene, namespace, dict(namespace)
        file_watch.look_around()
        file_watch.see_opens()
        self._send({"type": "begun"})
        follow_bars()
        try:
            with self._told.listening():
                results = self._run_body(spec, body, namespace, values, definitions)
        finally:
            shell.end_cell()
            if self._scratch is not None:
                self._scratch.come_back()
        effects, states = scene.end(namespace)
        self._running = None  # what fails from here on is not the code
        flush_files(namespace)
        file_watch.stop()
        mentions = find_mentions(spec, values, namespace)
        file_watch.mention(mentions)
        written = file_watch.written(mentions, FileKeeper(store.objects, spec.file_limits))
        files = file_watch.files()
        files |= file_watch.sources(beyond.stop())
        settle_classes(namespace)
        unseen: list[str] = []
        if not spec.outputs_declared:
            unseen = names_bound_unseen(spec.code, known, values, spec.outputs, namespace)
        outcome = given.store_outcome(results, namespace, unseen)
        own_state = definitions.end(namespace, outcome.outputs)
        outcome.left_out.update(dict.fromkeys(own_state.missed, NOT_BOUND))
        effects = _with_definitions(effects, own_state)
        shown = self._capture.stop()
        record = make_record(
            spec,
            store,
            outcome,
            self._told,
            results=results,
            last=shell.result,
            shown=shown,
            effects=effects,
            states={**states, **file_watch.states(spec.environment)},
            files=files,
            written=written,
            started=started,
        )
        around = {**values, **{n: results[n] for n in outcome.outputs if n in results}}
        record = structs.replace(
            record,
            altered=(
                *own_state.untold,
                *left_open(),
                *body.cut_short,
                *left_behind(outcome.outputs, results),
                *shared_indexes(around),
                *in_common(around),
            ),
            log=self._capture.log.store(store.objects) if self._capture.log is not None else None,
            live=file_watch.lost(),
            peak_memory_bytes=peak_memory(),
            used=used_so_far(),
        )
        store.put_record(record, settles_later=True)
        self.verified = [mark for mark in store.objects.verified() if mark[3] >= VERIFIED_BYTES]
        return record

    def _enter_folder(self, spec: StepSpec) -> None:
        if spec.scratch:
            self._scratch = Scratch(spec.folder or os.getcwd())
            # Whatever becomes of this process, somebody must remove it.
            self._send({"type": "scratch", "folder": self._scratch.root})
            atexit.register(self._scratch.remove)
            # What is imported as seen from the folder is imported from that of the notebook.
            sys.path[:] = [os.path.join(spec.folder, path) for path in sys.path]
            self._scratch.enter(spec.places)
        elif spec.folder:
            try:
                os.chdir(spec.folder)
                if (multiprocessing := sys.modules.get("multiprocessing.process")) is not None:
                    # As if it had been imported here: workers look for modules in this folder.
                    setattr(multiprocessing, "ORIGINAL_DIR", os.getcwd())  # noqa: B010
            except OSError as error:
                raise ClusterError(
                    f"The notebook's folder {spec.folder} cannot be entered on {socket.gethostname()} "
                    f"({error}). Workers on other machines need the folder at the same place."
                ) from None

    def _run_body(
        self,
        spec: StepSpec,
        body: Body,
        namespace: dict[str, Any],
        values: Mapping[str, object],
        definitions: OwnStates,
    ) -> Mapping[str, object]:
        assert self._shell is not None
        body.run(
            namespace,
            self._shell.show_result,
            interactivity=self._shell.interactivity,
            note_defined=definitions.note,
        )
        if spec.function is None:
            return namespace
        result = call_function(namespace[spec.function], values)
        try:
            return unpack_result(result, spec.outputs)
        except ReturnedWrongly as error:
            raise StepOutputError(f"Function '{spec.function}' {error}.") from None


def _with_definitions(effects: Effects | None, found: OwnState) -> Effects | None:
    if found.altered is None and found.made is None:
        return effects
    return replace(effects or Effects(), altered=found.altered, made=found.made)


def _set_environment(spec: StepSpec, environment: Mapping[str, str]) -> None:
    threads = dict.fromkeys(THREAD_VARIABLES, str(_n_threads(spec)))
    zone = os.environ.get("TZ")
    for name, value in {**environment, **threads, **spec.environment}.items():
        if value is None:
            os.environ.pop(name, None)
        elif os.environ.get(name) != value:  # most are as the fork server has them
            os.environ[name] = value
    if os.environ.get("TZ") != zone and hasattr(time, "tzset"):
        time.tzset()
    set_usual_limits()
    own = [path for path in sys.path if path not in spec.sys_path]
    sys.path[:] = [*spec.sys_path, *own]
    sys.argv[:] = [""]


def forget_folders() -> None:
    """Forget what Python found in folders as seen from that of the fork server, or did not find at all."""
    for place, importer in [*sys.path_importer_cache.items()]:
        if importer is None or not os.path.isabs(place):
            del sys.path_importer_cache[place]


def _n_threads(spec: StepSpec) -> int:
    return max(1, int(spec.cpus))


def know_thread_pools() -> None:
    """Find the pools of threads of the libraries that are loaded, for `_limit_threads`: it takes a while."""
    global _thread_pools
    import threadpoolctl

    _thread_pools = threadpoolctl.ThreadpoolController()


def _limit_threads(spec: StepSpec) -> None:
    # Libraries that are loaded later read the environment; those of the fork server have one thread. To set
    # one again would start those of OpenBLAS, which spin for a while.
    n_threads = _n_threads(spec)
    if n_threads == 1:
        return
    if _thread_pools is not None:
        _thread_pools.limit(limits=n_threads)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n_threads)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(n_threads)
