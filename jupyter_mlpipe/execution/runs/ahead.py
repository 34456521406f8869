"""What may be imported ahead of the code that asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from jupyter_mlpipe.execution.runs.task import StepTask

# Slow to load, and they set nothing for others when they are loaded: a kernel in which all is reused loads
# them later, and the settings that it gives to the cells in between are the same.
QUIET = frozenset(
    {
        "PIL",
        "matplotlib",
        "networkx",
        "numpy",
        "pandas",
        "patsy",
        "plotly",
        "polars",
        "pyarrow",
        "scipy",
        "skimage",
        "sklearn",
        "statsmodels",
        "torch",
    }
)
_SETS_VARIABLES = re.compile(r"environ|putenv|\benv\b|dotenv")


def may_set_variables(task: StepTask) -> bool:
    """Tell whether code that a step reaches may set environment variables: imports read them."""
    closure = task.closure
    texts = (
        task.step.component.code,
        *closure.sources.values(),
        *(m.source for m in closure.modules.values()),
    )
    return any(_SETS_VARIABLES.search(text) for text in texts)


def modules_ahead(tasks: Iterable[StepTask]) -> list[str]:
    """Return what the process from which steps are forked may import before it serves the first of these."""
    found = set()
    for task in tasks:
        if not may_set_variables(task):
            found |= {name for name in task.closure.preload if name.partition(".")[0] in QUIET}
        found |= {name for name in task.preload if name not in task.closure.preload}
    return sorted(found)
