"""Steps that use a GPU: with a real one, and not at all without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]
torch: Any = pytest.importorskip("torch")
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")

CLUSTER = "%pipeline cluster local --pool cpu:cpus=1 --pool gpu:gpus=1,cpus=1"
CELLS = """
import torch
_ = torch.manual_seed(42)
---
%%component first --gpus 1
a = torch.rand(3, device="cuda"); print(torch.cuda.device_count(), a)
---
%%component second --gpus 1
b = torch.nn.functional.dropout(a); print(b)
---
%%component without
print(torch.rand(2))
---
%%component third --gpus 1
c = torch.rand(2, device="cuda"); print(c, b)
---
print(torch.rand(2, device="cuda"), a.device)
---
_ = torch.manual_seed(42)
---
%%component again --gpus 1
d = torch.rand(3, device="cuda"); print(d)
"""


def run_all(kernel: Kernel, cells: str, *, plainly: bool = False) -> list[tuple[str, str]]:
    found = []
    for cell in cells.strip().split("\n---\n"):
        has_line = cell.startswith("%%component")
        result = kernel.run(cell.partition("\n")[2] if plainly and has_line else cell, timeout=120).check()
        found.append((result.printed, result.receipt if has_line and not plainly else ""))
    return found


def test_numbers_drawn_on_a_gpu_are_those_of_the_plain_notebook(start_kernel: Start) -> None:
    plain = [printed for printed, _ in run_all(start_kernel(load=False), CELLS, plainly=True)]
    for state in ("ran", "reused"):
        kernel = start_kernel()
        kernel.run(CLUSTER, timeout=60).check()
        told = run_all(kernel, CELLS)
        assert [printed for printed, _ in told] == plain
        assert all(state in receipt for _, receipt in told if receipt)
        kernel.close()


def test_a_step_sees_the_gpus_that_it_asked_for(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run(CLUSTER, timeout=60).check()
    see = "import torch; print(torch.cuda.device_count())"
    assert kernel.run(f"%%component none\n{see}").check().printed == "0\n"
    assert kernel.run(f"%%component one --gpus 1 --salt other\n{see}").check().printed == "1\n"


def test_what_draws_from_cupy_runs_each_time_unless_it_seeds(start_kernel: Start) -> None:
    pytest.importorskip("cupy")
    cells = """
import cupy
cupy.random.seed(3)
---
%%component draws --gpus 1
x = cupy.random.rand(2)
---
%%component seeds --gpus 1
cupy.random.seed(4)
y = cupy.random.rand(2); print(y)
---
%%component none --gpus 1
z = y * 2
"""
    for states in (("ran", "ran", "ran"), ("ran", "reused", "reused")):
        kernel = start_kernel()
        kernel.run(CLUSTER, timeout=60).check()
        receipts = [receipt for _, receipt in run_all(kernel, cells) if receipt]
        assert all(state in receipt for state, receipt in zip(states, receipts, strict=True)), receipts
        kernel.close()
