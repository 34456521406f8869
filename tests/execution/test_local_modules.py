"""Local modules of a step: what it uses of them beyond what counts for its key is noticed."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest

from jupyter_mlpipe.execution.process.local_modules import Beyond, install_modules
from jupyter_mlpipe.keys.sources import ModuleSource

TEXT = "import dataclasses\nK = 1\ndef f(): return g()\ndef g(): return K\nclass A: pass\n"
UNCOUNTED = frozenset({"g", "A", "K", "dataclasses"})


@pytest.fixture
def install() -> Iterator[Callable[..., Beyond]]:
    finders = list(sys.meta_path)
    names: set[str] = set()

    def give(**sources: tuple[str, frozenset[str] | None]) -> Beyond:
        names.update(sources)
        return install_modules(
            {
                name: ModuleSource(text, f"/{name}.py", False, counts)
                for name, (text, counts) in sources.items()
            }
        )

    yield give
    sys.meta_path[:] = finders
    for name in names:
        sys.modules.pop(name, None)


def test_what_counts_is_used_without_a_note(install: Callable[..., Beyond]) -> None:
    beyond = install(tools_a=(TEXT, UNCOUNTED))
    module = importlib.import_module("tools_a")
    # What `f` reads in its module is seen in its code.
    assert (module.f(), module.__name__, type(module).__name__) == (1, "tools_a", "module")
    assert beyond.stop() == {}
    assert type(module) is ModuleType


@pytest.mark.parametrize(
    "use",
    [
        lambda module: module.g,
        lambda module: getattr(module, "A"),  # noqa: B009
        lambda module: hasattr(module, "g"),
        lambda module: module.__dict__,
        vars,
        dir,
        lambda module: pickle.loads(b"ctools_a\nA\n."),
        lambda module: exec("from tools_a import g", {}),
    ],
)
def test_whatever_else_is_looked_up_is_noted(
    install: Callable[..., Beyond], use: Callable[[ModuleType], object]
) -> None:
    beyond = install(tools_a=(TEXT, UNCOUNTED))
    use(importlib.import_module("tools_a"))
    assert beyond.stop() == {"/tools_a.py": TEXT}


def test_an_import_at_the_top_of_another_module_is_seen_in_its_code(install: Callable[..., Beyond]) -> None:
    beyond = install(tools_a=(TEXT, UNCOUNTED), tools_b=("from tools_a import g", frozenset({"g"})))
    importlib.import_module("tools_b")
    assert beyond.stop() == {}


def test_what_a_dataclass_looks_for_is_no_use(install: Callable[..., Beyond]) -> None:
    text = (
        "from __future__ import annotations\nimport dataclasses\n"
        "@dataclasses.dataclass\nclass A:\n    n: int = 1\nK = 1\n"
    )
    beyond = install(tools_a=(text, frozenset({"K"})))
    assert importlib.import_module("tools_a").A().n == 1
    assert beyond.stop() == {}


def test_a_module_that_does_not_count_at_all_is_noted_when_it_is_imported(
    install: Callable[..., Beyond],
) -> None:
    beyond = install(tools_a=(TEXT, None), tools_b=("", None))
    importlib.import_module("tools_a")
    assert beyond.stop() == {"/tools_a.py": TEXT}


def test_names_that_do_not_count_can_be_set_and_removed(install: Callable[..., Beyond]) -> None:
    install(tools_a=(TEXT, UNCOUNTED))
    module = importlib.import_module("tools_a")
    module.K = 5
    assert module.f() == 5
    del module.g
    with pytest.raises(AttributeError, match="module 'tools_a' has no attribute 'g'"):
        _ = module.g
    with pytest.raises(AttributeError):
        del module.g
