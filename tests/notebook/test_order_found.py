"""Steps of which only running shows that they draw numbers or change classes run in the notebook's order."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.kernel import Kernel

START = """
import numpy as np
import pandas as pd
np.random.seed(1)
df = pd.DataFrame({"a": range(100)})
class Account:
    count, names = 0, []
    def __init__(self, name):
        type(self).count += 1
        self.names.append(name)
"""
# No word says that a table's `sample` draws from the global state.
DRAWS = [f"x{n} = df.sample(4).a.tolist()" for n in range(4)]
COUNTS = ["x0 = Account('a').count", "x1 = Account('b').count", "x2 = len(Account('c').names)", "x3 = 1"]
NAMES = "[x0, x1, x2, x3]"


def _plainly(kernel: Kernel, cells: list[str]) -> str:
    kernel.run(START).check()
    for cell in cells:
        kernel.run(cell).check()
    return kernel.value(NAMES)  # type: ignore[no-any-return]


@pytest.mark.parametrize("cells", [DRAWS, COUNTS], ids=["draws", "counts"])
def test_steps_that_turn_out_to_depend_on_order_have_it(
    cells: list[str], start_kernel: Callable[..., Kernel]
) -> None:
    expected = _plainly(start_kernel(load=False), cells)
    for _ in ("fresh", "reused"):
        kernel = start_kernel()
        kernel.run(START).check()
        kernel.run("%pipeline mode register").check()
        for n, cell in enumerate(cells):
            kernel.run(f"%%component c{n}\n{cell}").check()
        kernel.run("import jupyter_mlpipe as mlpipe; run = mlpipe.current().run(); run.wait()").check()
        # In the same run, and then in the plan.
        assert kernel.value("[run[f'x{n}'] for n in range(4)]") == expected
        assert kernel.value(NAMES) == expected
        kernel.run("again = mlpipe.current().run(); again.wait()").check()
        assert kernel.value("[s.status for s in again.steps.values()]") == ["reused"] * 4
        assert kernel.value("[again[f'x{n}'] for n in range(4)]") == expected
        kernel.close()
