"""Values that are bound to this process: why each cannot be stored, and what to do instead."""

from __future__ import annotations

import io
import mmap
from typing import Any

from jupyter_mlpipe.errors import EncodingError

_ONCE = ("can be consumed only once", "Make it a list: list(...).")
_LOCK = ("belongs to the threads of one process", "Make it where it is used.")
_FILE = (
    "is an open file of this process",
    "Store what it holds (its content, or its path), and open it where it is read.",
)
_LINK = ("is a live connection of this process", "Store its settings, and connect where it is used.")
_TASK = ("is work under way in this process", "Wait for it, and store its result.")
_MAP = ("is a file seen as memory", "Open it where it is read: numpy.memmap(path, ...).")
_DOCUMENT = ("belongs to the document of this process", "Make it where it is shown.")
_MOCK = ("counts its calls in this process", "Make it where it is used.")
_TEMPORARY = ("is a temporary file, which goes with this process", "Make it where it is used.")
_CONTEXT = ("remembers what there was in this process", "Make it where it is entered: with ...")
_VIEW = ("is a view of memory that it does not own", "Make it bytes: bytes(...).")

_PLACES = frozenset({"jupyter_mlpipe.model.files.File", "jupyter_mlpipe.model.files.Folder"})
_PLACE = (
    "counts by its content, which is kept only where it has a name of its own",
    "Bind each File to a name of its own, or put the files into one Folder.",
)

# By name, so that no library is imported, and because pickle's own messages name types only so.
_REASONS: dict[str, tuple[str, str]] = {
    "generator": _ONCE,
    "async_generator": _ONCE,
    "coroutine": ("can be awaited only once", "Await it, and store its result."),
    # Pickle makes iterators of lists or tuples of them.
    **dict.fromkeys(("dict_keyiterator", "dict_valueiterator", "dict_itemiterator"), _ONCE),
    **dict.fromkeys(
        ("dict_reversekeyiterator", "dict_reversevalueiterator", "dict_reverseitemiterator"), _ONCE
    ),
    **dict.fromkeys(("set_iterator", "itertools._grouper"), _ONCE),
    "lock": _LOCK,
    "_thread.lock": _LOCK,
    "_thread.RLock": _LOCK,
    "_thread._local": _LOCK,
    "threading.Thread": _TASK,
    "threading.Event": _LOCK,
    "threading.Condition": _LOCK,
    "threading.Semaphore": _LOCK,
    "queue.Queue": _LOCK,
    "_queue.SimpleQueue": _LOCK,
    "_io.TextIOWrapper": _FILE,
    "_io.BufferedReader": _FILE,
    "_io.BufferedWriter": _FILE,
    "_io.BufferedRandom": _FILE,
    "_io.FileIO": _FILE,
    "mmap.mmap": _FILE,
    "socket": _LINK,
    "socket.socket": _LINK,
    "ssl.SSLContext": _LINK,
    "ssl.SSLSocket": _LINK,
    "sqlite3.Connection": _LINK,
    "sqlite3.Cursor": _LINK,
    "psycopg.Connection": _LINK,
    "psycopg2.extensions.connection": _LINK,
    "sqlalchemy.engine.base.Engine": _LINK,
    "sqlalchemy.engine.base.Connection": _LINK,
    "distributed.client.Client": _LINK,
    "distributed.client.Future": _TASK,
    "subprocess.Popen": _TASK,
    "concurrent.futures.thread.ThreadPoolExecutor": _TASK,
    "concurrent.futures.process.ProcessPoolExecutor": _TASK,
    "concurrent.futures._base.Future": _TASK,
    "asyncio.Task": _TASK,
    "_asyncio.Task": _TASK,
    "_asyncio.Future": _TASK,
    "multiprocessing.context.Process": _TASK,
    "multiprocessing.pool.Pool": _TASK,
    "bokeh.model.model.Model": _DOCUMENT,
    "memoryview": _VIEW,
    "tempfile._TemporaryFileWrapper": _TEMPORARY,
    "tempfile.TemporaryDirectory": _TEMPORARY,
    "unittest.mock.NonCallableMock": _MOCK,
    "unittest.mock._patch": _MOCK,
    "contextlib._GeneratorContextManager": _CONTEXT,
    "decimal.ContextManager": _CONTEXT,
    "numpy.errstate": _CONTEXT,
    "warnings.catch_warnings": _CONTEXT,
    "frame": ("is a moment of this process", "Store the values that you need of it."),
    "traceback": ("is a moment of this process", "Store its text: traceback.format_exc()."),
    "weakref.ReferenceType": ("refers to an object of this process", "Store the object itself."),
}


def qualified_name(kind: type) -> str:
    """Return ``module.Name``, or the bare name of a builtin."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def refuse(value: Any) -> None:
    """Raise EncodingError for a value that pickle would take, or refuse, for the wrong reason.

    Some picklers read an open file to its end and store its text: reading it back gives another thing.
    """
    why = why_bound(value)
    name = qualified_name(type(value))
    if not why and name in _PLACES:
        why = f"{_PLACE[0]}. {_PLACE[1]}"
    if why:
        raise EncodingError(f"a value of type {name} {why}")


def why_bound(value: Any) -> str:
    """Return why a value cannot leave this process, and what to do; an empty string where it can."""
    names = [qualified_name(kind) for kind in type(value).__mro__[:-1]]
    reason = next((_REASONS[name] for name in names if name in _REASONS), None)
    if reason is None:
        # No other object is asked for an attribute: that may run anybody's code. A copy of a map has None.
        if "numpy.memmap" in names and isinstance(value._mmap, mmap.mmap):
            reason = _MAP
        elif isinstance(value, io.IOBase) and not isinstance(value, (io.StringIO, io.BytesIO)):
            reason = _FILE
        else:
            return ""
    return f"{reason[0]}. {reason[1]}"


def remedy_for(name: str) -> str:
    """Return why and what to do for a type that pickle named, or an empty string."""
    reason = _PLACE if name in _PLACES else _REASONS.get(name)
    return "" if reason is None else f"It {reason[0]}. {reason[1]}"
