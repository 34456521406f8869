"""The executor as the runner sees it: started late, in a thread, and never a reason to stop the runner."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial

from jupyter_mlpipe.errors import ClusterError, MLPipeError
from jupyter_mlpipe.execution.cluster import executor as executors
from jupyter_mlpipe.execution.cluster.environments import Reported
from jupyter_mlpipe.execution.runs.events import ClusterFailed, Node, WorkersKnown

MakeExecutor = Callable[[Sequence[str]], executors.Executor]
Tell = Callable[[executors.Told | WorkersKnown | ClusterFailed], None]

_CLOSE_S = 10.0
_REFUSED_S = 5.0
_log = logging.getLogger(__name__)


class Fleet:
    """Owns the executor, and the token of each attempt that it runs.

    Parameters
    ----------
    make_executor
        Called when the first step has to run, never before, with modules worth importing ahead of it; again
        after the cluster failed to start.
    tell
        Given all that the executor tells, and how its start went; from any thread.
    """

    def __init__(self, make_executor: MakeExecutor, tell: Tell) -> None:
        self._make_executor = make_executor
        self._tell = tell
        self._executor: executors.Executor | None = None
        self._attempts: dict[str, tuple[Node, int]] = {}
        self._preloaded: set[str] = set()
        self._starting: threading.Thread | None = None
        self._stop_listening: Callable[[], None] | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._refused: tuple[float, MLPipeError] | None = None

    def ask(self, tops: frozenset[str]) -> Mapping[str, Reported]:
        """Return what each worker has of top-level modules; attaches to the cluster, and waits for that.

        Raises
        ------
        ClusterError
            It cannot be reached. Said again at once for some seconds: one plan asks many times.
        """
        try:
            return self._started().look_up(tops)
        except MLPipeError as error:
            raise ClusterError(str(error)) from None

    def _started(self, ahead: Sequence[str] = ()) -> executors.Executor:
        """Return the executor when it has started; raises what stands in its way."""
        if self._refused is not None and time.monotonic() - self._refused[0] < _REFUSED_S:
            raise self._refused[1]
        try:
            executor = self._make(ahead)
            executor.start(ahead)
        except MLPipeError as error:
            self._refused = time.monotonic(), error
            self._drop()
            raise
        return executor

    def _make(self, ahead: Sequence[str]) -> executors.Executor:
        with self._lock:
            if self._executor is None:
                made = self._make_executor(ahead)
                self._stop_listening = made.listen(partial(self._hear, made))
                self._executor = made
            return self._executor

    def _hear(self, executor: executors.Executor, event: executors.Event) -> None:
        if isinstance(event, executors.ClusterLost):
            if self._executor is not executor:
                return
            self._drop()
            self._tell(ClusterFailed(event.why))
            return
        self._tell(event)

    def _drop(self) -> None:
        """Let go of an executor whose cluster is gone; the next start makes another one."""
        with self._lock:
            gone, self._executor = self._executor, None
            if self._stop_listening is not None:
                self._stop_listening()
                self._stop_listening = None
        if gone is not None:
            # It may wait a while for what does not answer.
            threading.Thread(target=gone.close, name="mlpipe-leave", daemon=True).start()

    @property
    def workers(self) -> executors.Workers:
        """What each worker offers, of an executor that has started."""
        return self._executor.workers if self._executor is not None else {}

    @property
    def left_out(self) -> Mapping[str, str]:
        """Why other workers are given no steps."""
        return self._executor.left_out if self._executor is not None else {}

    @property
    def marks(self) -> executors.Marks:
        """What each worker has of packages."""
        return self._executor.marks if self._executor is not None else {}

    @property
    def growing(self) -> bool:
        """Whether more workers may come; asked when what there is is judged, for it changes with time."""
        return self._executor is not None and self._executor.growing

    def want(self, n_cpus: float) -> None:
        """Say for how many CPUs steps wait."""
        if self._executor is not None:
            self._executor.want(n_cpus)

    def start(self, modules: Iterable[str], ahead: Sequence[str] = ()) -> None:
        """Start the executor in a thread; workers import `modules` ahead, some of them while it starts."""
        self._preloaded = set(modules)
        # It takes a second or more; what can be reused goes on meanwhile.
        self._starting = threading.Thread(
            target=self._start, args=(sorted(self._preloaded), ahead), name="mlpipe-cluster", daemon=True
        )
        self._starting.start()

    def submit(
        self,
        node: Node,
        attempt: int,
        worker: str,
        spec: bytes,
        amounts: Mapping[str, float],
        modules: Iterable[str],
        marks: frozenset[str] = frozenset(),
    ) -> bool:
        """Have a worker start an attempt; False where it could not be sent."""
        if self._executor is None:
            return False
        token = self.note(node, attempt)
        try:
            if not self._preloaded.issuperset(modules):
                self._preloaded.update(modules)
                self._executor.preload(sorted(self._preloaded))
            self._executor.submit(token, worker, spec, amounts, marks)
        except Exception as error:
            _log.warning("Step %r could not be sent to %s: %s", node.step, worker, error)
            del self._attempts[token]
            return False
        return True

    def note(self, node: Node, attempt: int) -> str:
        """Return the token of an attempt that begins."""
        token = _token(node, attempt)
        self._attempts[token] = (node, attempt)
        return token

    def kill(self, node: Node, attempt: int) -> None:
        """Have an attempt ended; its last message still comes."""
        if self._executor is not None:
            self._executor.kill(_token(node, attempt))

    def kill_all(self) -> None:
        """Have all attempts ended, and forget them."""
        attempts = list(self._attempts.values())
        self._attempts.clear()
        for node, attempt in attempts:
            self.kill(node, attempt)

    def attempt(self, token: str) -> tuple[Node, int] | None:
        """Return the attempt of a token, unless it has ended."""
        return self._attempts.get(token)

    def forget(self, token: str) -> None:
        """An attempt has ended."""
        self._attempts.pop(token, None)

    def forget_run(self, run_id: str) -> None:
        """Let what still comes from the attempts of a run be dropped."""
        self._attempts = {
            token: (node, attempt) for token, (node, attempt) in self._attempts.items() if node.run != run_id
        }

    def close(self) -> None:
        """Close the executor, also one that is still starting."""
        self._closed = True
        if self._starting is not None:
            self._starting.join(_CLOSE_S)
        if self._executor is not None:
            self._executor.close()
        if self._stop_listening is not None:
            self._stop_listening()
            self._stop_listening = None

    def _start(self, modules: list[str], ahead: Sequence[str]) -> None:
        try:
            executor = self._started(ahead)
            workers = executor.workers
            if modules:
                executor.preload(modules)
        except Exception as error:
            self._drop()
            if not isinstance(error, MLPipeError):
                _log.exception("The cluster did not start")
            self._tell(ClusterFailed(str(error) or type(error).__name__))
        else:
            if self._closed:
                executor.close()
            self._tell(WorkersKnown(workers, executor.marks))


def _token(node: Node, attempt: int) -> str:
    return f"{node.run}/{node.step}/{attempt}"
