"""How logging is set up: levels, handlers, what is propagated. The names of levels are in `registries`."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from jupyter_mlpipe.keys.providers import Changes, Provider, State
from jupyter_mlpipe.keys.relayed import Relay

# Of what runs the kernel and the steps, and of libraries that set up their loggers when they are loaded.
_OWN_LOGGERS = frozenset(
    {
        "Comm",
        "IPKernelApp",
        "asyncio",
        "bokeh",
        "c10d-NullHandler-default",
        "dask",
        "distributed",
        "ipykernel",
        "jupyter_mlpipe",
        "parso",
        "strobelight_compile_time_profiler",
        "strobelight_function_profiler",
        "torch",
        "tornado",
        "traitlets",
    }
)
_OWN_HANDLERS = frozenset({"_pytest", "absl"})
_RELAY = "relay"
_ROOT, _DISABLE = "root", " disable"
_UNCHANGING = (str, bytes, int, float, type(None), tuple, type, FunctionType, ModuleType)
_STYLES = {"PercentStyle": "%", "StrFormatStyle": "{", "StringTemplateStyle": "$"}


def _read_logging(_logging: Any) -> State:
    root = logging.root
    state: dict[str, Any] = {
        _ROOT: (root.level, True, tuple(_handlers(root))),
        _DISABLE: root.manager.disable,
    }
    for name, logger in list(root.manager.loggerDict.items()):
        if not isinstance(logger, logging.Logger) or name.partition(".")[0] in _OWN_LOGGERS:
            continue
        found = (logger.level, logger.propagate, tuple(_handlers(logger)))
        if found != _UNSET:
            state[name] = found
    return state


_UNSET = (logging.NOTSET, True, ())


def _usual_logging(_logging: Any) -> State:
    return {_ROOT: (logging.WARNING, True, ()), _DISABLE: 0}


def _write_logging(_logging: Any, changes: Changes) -> None:
    for name, value in changes.items():
        if name == _DISABLE:
            logging.disable(value)
            continue
        logger = logging.getLogger(None if name == _ROOT else name)
        level, logger.propagate, handlers = value or _UNSET
        logger.setLevel(level)
        if tuple(_handlers(logger)) != handlers:
            _set_handlers(logger, handlers)


def _set_handlers(logger: logging.Logger, handlers: Iterable[tuple[Any, ...]]) -> None:
    present = [(handler, found) for handler in logger.handlers if (found := _described(handler, logger))]
    for handler, _ in present:
        logger.removeHandler(handler)
    for level, *shape in handlers:
        # Another one that is like it would not do: it may hold what it was told.
        handler = next((h for h, (_, *found) in present if found == shape), None) or _make(logger, *shape)
        present = [pair for pair in present if pair[0] is not handler]
        handler.setLevel(level)
        logger.addHandler(handler)


def _handlers(logger: logging.Logger) -> Iterator[tuple[Any, ...]]:
    return (found for handler in logger.handlers if (found := _described(handler, logger)) is not None)


def _described(handler: logging.Handler, logger: logging.Logger) -> tuple[Any, ...] | None:
    """Return what makes a handler of the plain kinds, or what stands for another one of the notebook's."""
    if isinstance(handler, Relay):
        return (handler.level, None, _RELAY, handler.kind, None)
    formatter = handler.formatter
    # What a filter lets through may depend on the notebook.
    if not handler.filters and (formatter is None or type(formatter) is logging.Formatter):
        style = _STYLES.get(type(formatter._style).__name__, "%") if formatter is not None else "%"
        shape = (formatter._fmt, formatter.datefmt, style) if formatter is not None else None
        if type(handler) is logging.FileHandler:
            return (handler.level, shape, "file", handler.baseFilename, handler.encoding)
        if type(handler) is logging.StreamHandler:
            for name in ("stderr", "stdout"):
                if handler.stream in (getattr(sys, name), getattr(sys, f"__{name}__")):
                    return (handler.level, shape, name, "", None)
    if _is_of_notebook(handler, logger):
        return (handler.level, None, _RELAY, f"{type(handler).__module__}.{type(handler).__qualname__}", None)
    return None


def _is_of_notebook(handler: logging.Handler, logger: logging.Logger) -> bool:
    """Tell whether the notebook, and no library for its own loggers, has made a handler."""
    tops = [kind.__module__.partition(".")[0] for kind in (type(handler), type(handler.formatter))]
    if isinstance(handler, logging.NullHandler) or not _OWN_HANDLERS.isdisjoint(tops):
        return False
    return "__main__" in tops or logger.name.partition(".")[0] not in sys.modules


def _make(logger: logging.Logger, shape: Any, kind: str, path: str, encoding: str | None) -> logging.Handler:
    if kind == _RELAY:
        return Relay(logger.name, path)
    handler: logging.Handler
    if kind == "file":
        handler = logging.FileHandler(path, encoding=encoding)
    else:
        handler = logging.StreamHandler(getattr(sys, kind))
    if shape is not None:
        handler.setFormatter(logging.Formatter(*shape))
    return handler


def relayed_to(logger: logging.Logger) -> list[logging.Handler]:
    """Return the handlers of a logger for which a `Relay` stands in steps."""
    found = ((handler, _described(handler, logger)) for handler in logger.handlers)
    return [handler for handler, described in found if described is not None and described[2] == _RELAY]


def filtered_loggers() -> list[str]:
    """Return the names of the loggers to which the notebook has given filters."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    return [one.name for one in loggers if isinstance(one, logging.Logger) and _has_own_filter(one)]


def _has_own_filter(logger: logging.Logger) -> bool:
    top = logger.name.partition(".")[0]
    return any(
        "__main__" in (getattr(one, "__module__", None), type(one).__module__) or top not in sys.modules
        for one in logger.filters
    )


def held_by_handlers() -> Iterator[Any]:
    """Yield what those handlers of the notebook hold, or read by name, that may change."""
    loggers = [logging.root, *list(logging.root.manager.loggerDict.values())]
    for logger in loggers:
        for handler in relayed_to(logger) if isinstance(logger, logging.Logger) else ():
            found = list(vars(handler).values())
            pending = [part for kind in type(handler).__mro__ for part in vars(kind).values()]
            seen = set()
            while pending:
                function = pending.pop()
                if isinstance(function, FunctionType) and function.__module__ == "__main__":
                    names = [n for n in function.__code__.co_names if (function, n) not in seen]
                    seen |= {(function, name) for name in names}
                    read = [function.__globals__[name] for name in names if name in function.__globals__]
                    found += read
                    pending += read
            yield from (value for value in found if not isinstance(value, _UNCHANGING))


LOGGING = Provider("logging", "logging", _read_logging, _usual_logging, _write_logging)
