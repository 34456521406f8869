"""Large values that steps capture from the notebook: as they were when its cell was run."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from tests.notebook.test_background import begun, go_on, waits
from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

MAKE = "import numpy as np\nlarge = np.arange(300_000)"
ZERO = "large[:] = 0"


def test_a_step_that_waits_gets_what_was_there_when_its_cell_was_run(kernel: Kernel) -> None:
    kernel.run(MAKE).check()
    kernel.run("%pipeline mode background").check()
    kernel.run("%%component first\n" + waits("first") + "n = 1").check()
    begun(kernel, "first")
    kernel.run("%%component second\ntotal = int(large.sum()) + n").check()
    kernel.run(ZERO).check()
    go_on(kernel, "first")
    assert kernel.value("total") == 299_999 * 150_000 + 1
    kernel.run("%%component second\ntotal = int(large.sum()) + n").check()
    assert kernel.value("total") == 1


def test_a_failed_step_is_debugged_with_what_it_had(kernel: Kernel) -> None:
    kernel.run(MAKE).check()
    assert kernel.run("%%component fails\ntotal = int(large.sum())\n1 / 0").status == "error"
    kernel.run(ZERO).check()
    kernel.run("d = %pipeline debug fails --no-run").check()
    assert kernel.value("int(d.large[-1])") == 299_999


def test_a_lost_result_is_made_again_of_the_same_values_only(start_kernel: Start) -> None:
    cell = "%%component make\nresult = large * 2"
    for change, expected in (("pass", 599_998), (ZERO, None)):
        kernel = start_kernel()
        kernel.run(MAKE).check()
        kernel.run(cell).check()
        kernel.run(change).check()
        shutil.rmtree(kernel.folder / ".mlpipe" / "objects")
        read = kernel.run("int(result[-1])")
        if expected is not None:
            assert read.check().result == str(expected)
        else:
            assert "changed since in place; run the cell again" in read.traceback
            kernel.run(cell).check()
            assert kernel.value("int(result[-1])") == 0
        kernel.close()


def test_a_plan_copies_nothing(kernel: Kernel) -> None:
    kernel.run("import numpy as np, resource\nlarge = np.ones(20_000_000)").check()  # 160 MB
    for number in range(4):
        kernel.run(f"%%component s{number}\nx{number} = float(large[{number}])").check()
    peak = "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss"
    before = kernel.value(peak)
    kernel.run("%pipeline plan").check()
    kernel.run("%%component s0\nx0 = float(large[0])").check()
    assert kernel.value(f"{peak} - {before}") < 100_000  # kB


@pytest.mark.parametrize(
    ("shared", "apart"),
    [
        ("b = a", "b = list(a)"),
        ("b = [a]", "b = [list(a)]"),
        ("b = array[1:3]", "b = array[1:3].copy()"),
        ("b = np.broadcast_to(array, (2, 3))", "b = np.broadcast_to(array.copy(), (2, 3))"),
        ("b = [array[:1], array[:1]]", "b = [array[:1], array[1:2]]"),
    ],
)
def test_what_captured_values_share_is_part_of_the_key(
    kernel: Kernel, start_kernel: Start, shared: str, apart: str
) -> None:
    def show(kernel: Kernel, binding: str) -> tuple[str, str]:
        kernel.run(f"import numpy as np\na = [1]\narray = np.zeros(3)\n{binding}", cell_id="values").check()
        step = kernel.run("%%component change\na.append(2)\narray += [1, 2, 3]\nprint(b)").check()
        return step.printed, step.status_of_step

    first, status = show(kernel, shared)
    assert status == "succeeded"
    # The same contents: in this kernel after an edit, and in another one.
    second, status = show(kernel, apart)
    assert (first != second, status) == (True, "succeeded")
    other = start_kernel()
    assert show(other, shared) == (first, "reused")
    assert show(other, apart) == (second, "reused")
