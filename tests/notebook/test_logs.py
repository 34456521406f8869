"""Every line of a step, also from an earlier session: by magic, by call and on the command line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]
MUCH = "%%component many\nfor i in range(100_000):\n    print(i, 'x' * 90)\nlast = i"
WHOLE = "".join(f"{i} {'x' * 90}\n" for i in range(100_000))


def log(kernel: Kernel, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "jupyter_mlpipe.app.main", "log", *words],
        cwd=kernel.folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_line_is_written_to_a_file(start_kernel: Start) -> None:
    kernel = start_kernel()
    kernel.run("%pipeline mode register").check()
    for cell in (MUCH, "%%component few\nprint('few', last)", "%%component bad\nprint('bad')\n1 / 0"):
        kernel.run(cell).check()
    assert "Step 'few' has not run yet" in kernel.run("%pipeline log few").printed_error
    kernel.run("run = %pipeline run\nrun.wait()").check()
    assert kernel.run("%pipeline log few").check().printed == "few 99999\n"
    assert "left out here" in kernel.run("%pipeline log many").check().printed
    kernel.run("%pipeline log many --output many.log\nrun.save_log('all.log')").check()
    assert (kernel.folder / "many.log").read_text() == WHOLE
    together = f"==> many <==\n{WHOLE}\n==> few <==\nfew 99999\n\n==> bad <==\nbad\n"
    assert (kernel.folder / "all.log").read_text() == together
    assert "no/where.log" in kernel.run("%pipeline log --output no/where.log").printed_error
    run = kernel.value("run.id")
    assert log(kernel, run, "many").stdout == WHOLE
    assert log(kernel, run).stdout == together
    wrong = log(kernel, run, "fwe")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "Did you mean 'few'" in wrong.stderr
    # In a later session of the same notebook, where nothing of it has run.
    later = start_kernel()
    later.run("%pipeline mode register").check()
    later.run(MUCH).check()
    later.run("%pipeline log many --output later.log").check()
    assert (later.folder / "later.log").read_text() == WHOLE
