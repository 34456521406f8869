"""One version of all edits with joblib.Memory or Hamilton's cache, in a process of its own: prints JSON.

Run by `bench_matrix`: ``python peer_flow.py TOOL VERSION FOLDER``. Each flow is written as the tool's own
documentation advises: values that a step reads are handed to it, helpers stand beside it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import textwrap
from pathlib import Path
from types import ModuleType
from typing import Any

from edits import EDITS, Edit, written

JOBLIB = """\
import joblib
memory = joblib.Memory({cache!r}, verbose=0)
ran = []
{setup}

@memory.cache
def first():
    ran.append("first")
{first}
    return rows

@memory.cache
def last({arguments}):
    ran.append("last")
{last}
    return result

def run():
    return last({values})
"""
HAMILTON = """\
import typing
{setup}
_ran = []

def rows() -> typing.Any:
    _ran.append("first")
{first}
    return rows

def result({arguments}) -> typing.Any:
    _ran.append("last")
{last}
    return result
"""


def write_joblib(edit: Edit, names: tuple[str, ...], cache: str) -> str:
    return JOBLIB.format(
        cache=cache,
        setup=edit.setup,
        first=textwrap.indent(edit.first, "    "),
        last=textwrap.indent(edit.last, "    "),
        arguments=", ".join(("rows", *names)),
        values=", ".join(("first()", *names)),
    )


def write_hamilton(edit: Edit, names: tuple[str, ...], cache: str) -> str:
    return HAMILTON.format(
        setup=edit.setup,
        first=textwrap.indent(edit.first, "    "),
        last=textwrap.indent(edit.last, "    "),
        arguments=", ".join(f"{name}: typing.Any" for name in ("rows", *names)),
    )


def run_joblib(flow: ModuleType, names: tuple[str, ...], cache: str) -> tuple[Any, list[str]]:
    return flow.run(), flow.ran


def run_hamilton(flow: ModuleType, names: tuple[str, ...], cache: str) -> tuple[Any, list[str]]:
    from hamilton import driver

    built = driver.Builder().with_modules(flow).with_cache(path=cache).build()
    inputs = {name: getattr(flow, name) for name in names}
    return built.execute(["result"], inputs=inputs)["result"], flow._ran


TOOLS = {"joblib": (write_joblib, run_joblib), "hamilton": (write_hamilton, run_hamilton)}


def main(tool: str, version: int, folder: Path) -> None:
    logging.disable(logging.WARNING)
    write, run = TOOLS[tool]
    sys.path[:0] = [str(folder), str(folder / "site-packages")]
    found = {}
    for number, edit in enumerate(EDITS):
        cache = str(folder / f"cache-{tool}" / str(number))
        flow = f"{tool}_flow{number}"
        text = written(write(edit, edit.reads, cache), version, number)
        (folder / f"{flow}.py").write_text(text)
        os.chdir(folder)
        exec(written(edit.before, version, number))
        names = tuple(written(name, version, number) for name in edit.reads)
        try:
            result, ran = run(importlib.import_module(flow), names, cache)
            found[edit.name] = (repr(result), sorted(set(ran)))
        except Exception as error:  # whatever a tool says of what it cannot do
            found[edit.name] = (f"{type(error).__name__}: {error}", ["failed"])
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
