"""What a kernel that lives for long must not keep."""

from __future__ import annotations

from tests.support.kernel import Kernel

COUNT = "len([found for found in gc.get_objects() if type(found).__name__ == 'RunState'])"


def test_runs_that_nobody_refers_to_are_not_kept(kernel: Kernel) -> None:
    kernel.run("import gc, jupyter_mlpipe\n%pipeline mode register").check()
    kernel.run("%%parameters\nseed = 0").check()
    kernel.run("%%component first\nx = seed").check()
    counts = []
    for seed in range(6):
        kernel.run(f"jupyter_mlpipe.current().run(params={{'seed': {seed}}}).wait().status;").check()
        counts.append(kernel.value(f"gc.collect() and {COUNT}"))
    # The names of the step follow the last one.
    assert counts[-1] == counts[2]
