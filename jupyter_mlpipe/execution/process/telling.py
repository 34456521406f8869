"""What code tells of itself while it runs: how far it has come (`progress`), and figures (`log_metric`).

Whoever runs a step listens; where nobody does, as in a plain cell, it is checked and costs next to nothing.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, SupportsFloat

from jupyter_mlpipe.model.metrics import Number, numbers_to_json

PAUSE_S = 0.2
CURVE_POINTS = 200
"""How many points of a curve are kept; of more, every second one goes."""

_LENGTH = 250
_listener: Told | None = None


def progress(fraction: SupportsFloat | None, text: str = "") -> None:
    """Say how far the step has come.

    Parameters
    ----------
    fraction
        From 0 to 1; None where it is not known.
    text
        For people, such as ``epoch 4 of 10``.

    Raises
    ------
    TypeError
        It is no number.
    """
    if fraction is not None:
        fraction = float(_number("progress", fraction))
        fraction = None if math.isnan(fraction) else min(max(fraction, 0.0), 1.0)
    if not isinstance(text, str):
        raise TypeError(f"progress() takes a text beside the fraction, but was given {_describe(text)}.")
    if _listener is not None:
        _listener.note_progress(fraction, text)


def log_metric(name: str, value: SupportsFloat, *, step: int | None = None) -> None:
    """Keep a figure with the result of the step; it comes back when the step is reused.

    Of several values under one name the last one counts.

    Parameters
    ----------
    value
        A number: of Python, of NumPy, or an array or tensor of one element. NaN and infinity are taken.
    step
        Where on a curve it stands, such as the epoch: the values are then kept as points, too.

    Raises
    ------
    TypeError
        The name is no text, the value no number, or the step no whole number.
    """
    log_metrics({name: value}, step=step)


def log_metrics(values: Mapping[str, SupportsFloat], *, step: int | None = None) -> None:
    """Keep several figures; see `log_metric`. Where one of them is wrong, none is kept."""
    if not isinstance(values, Mapping):
        raise TypeError(
            f'log_metrics() takes a dict such as {{"auc": 0.91}}, but was given {_describe(values)}.'
        )
    checked: dict[str, Number] = {}
    for name, value in values.items():
        if not isinstance(name, str) or not 0 < len(name) <= _LENGTH:
            raise TypeError(
                f"A metric's name is a text of 1 to {_LENGTH} characters, but it is {_describe(name)}."
            )
        checked[name] = _number(f"metric '{name}'", value)
    if step is not None:
        try:
            step = operator.index(step)
        except TypeError:
            raise TypeError(f"step is a whole number, but it is {_describe(step)}.") from None
    if _listener is not None:
        _listener.note_metrics(checked, step)


def _number(what: str, value: Any) -> Number:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if not isinstance(value, str | bytes | bytearray):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            return float(value.item() if hasattr(value, "item") else value)
    raise TypeError(
        f"{what} takes a number, but was given {_describe(value)}. "
        "Numbers of Python and NumPy will do, and arrays and tensors of one element."
    )


def _describe(value: object) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


class Told:
    """What one step has told.

    Parameters
    ----------
    send
        Takes messages, from a thread that starts with the first one: some a second, and always the latest.

    Attributes
    ----------
    metrics
        The last value of each name.
    curves
        Points by name: step and value, in the order of logging.
    """

    def __init__(self, send: Callable[[Any], None]) -> None:
        self.metrics: dict[str, Number] = {}
        self.curves: dict[str, list[tuple[int, Number]]] = {}
        self._strides: dict[str, tuple[int, int]] = {}
        self._send = send
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._progress: tuple[float | None, str] | None = None
        self._fresh: dict[str, Number] = {}
        self._waiting = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Take what code tells, until this ends."""
        global _listener
        before, _listener = _listener, self
        try:
            yield
        finally:
            _listener = before

    def note_progress(self, fraction: float | None, text: str) -> None:
        with self._lock:
            self._progress = fraction, text[:_LENGTH]
        self._wake()

    def note_metrics(self, values: Mapping[str, Number], step: int | None) -> None:
        with self._lock:
            self.metrics.update(values)
            self._fresh.update(values)
            if step is not None:
                for name, value in values.items():
                    self._add_point(name, step, value)
        self._wake()

    def _add_point(self, name: str, step: int, value: Number) -> None:
        """Keep a point, or let it take the place of the last one, which stands between two that are kept."""
        curve = self.curves.setdefault(name, [])
        stride, n_seen = self._strides.get(name, (1, 0))
        if n_seen and (n_seen - 1) % stride:
            curve.pop()
        curve.append((step, value))
        n_seen += 1
        if len(curve) > CURVE_POINTS:
            last = curve[-1]
            del curve[1::2]
            stride *= 2
            if curve[-1] != last:
                curve.append(last)
        self._strides[name] = stride, n_seen

    def _wake(self) -> None:
        # A process forked by the step has neither the thread nor the right to the connection.
        if os.getpid() != self._pid or self._waiting.is_set():
            return
        self._waiting.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="mlpipe-telling", daemon=True)
            self._thread.start()

    def _follow(self) -> None:
        while not self._stopped.is_set():
            self._waiting.wait()
            self._flush()
            self._stopped.wait(PAUSE_S)

    def _flush(self) -> None:
        with self._lock:
            self._waiting.clear()
            told, self._progress = self._progress, None
            fresh, self._fresh = self._fresh, {}
        with contextlib.suppress(OSError):  # nobody is there any more, and so this process will soon be gone
            if told is not None:
                self._send({"type": "progress", "fraction": told[0], "text": told[1]})
            if fresh:
                self._send({"type": "metrics", "values": numbers_to_json(fresh)})

    def stop(self) -> None:
        """Send the last of it."""
        self._stopped.set()
        if self._thread is not None:
            self._waiting.set()
            self._thread.join()
            self._flush()
