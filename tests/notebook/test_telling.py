"""Progress and metrics in a notebook: below the cell, on the run, and back with a reused step."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.kernel import Kernel


def test_progress_shows_on_the_receipt_and_metrics_come_back(start_kernel: Callable[..., Kernel]) -> None:
    fit = """%%component fit
mlpipe.progress(0.4, "epoch 4 of 10")
mlpipe.log_metric("auc", 0.91)
import os, time
while not os.path.exists("go"):
    time.sleep(0.01)
model = 1"""
    kernel = start_kernel()
    kernel.run("import jupyter_mlpipe as mlpipe, time").check()
    kernel.run("%pipeline mode register").check()
    kernel.run(fit).check()
    kernel.run("run = mlpipe.current().run()").check()
    wait = "while run.steps['fit'].progress is None: time.sleep(0.01)"
    kernel.run(wait).check()
    assert kernel.value("run.steps['fit'].progress") == (0.4, "epoch 4 of 10")
    assert "40 %, epoch 4 of 10" in kernel.value("repr(run)")
    assert kernel.value("run.snapshot().to_json()['steps']['fit']['progress']") == [0.4, "epoch 4 of 10"]
    kernel.run("open('go', 'w').close(); run.wait()").check()
    assert kernel.value("run.steps['fit'].metrics") == {"auc": 0.91}
    assert kernel.value("run.steps['fit'].progress") is None
    assert kernel.value("run.steps['fit'].used['cpu_seconds']") > 0
    kernel.run("%pipeline mode run").check()
    kernel.run(fit).check()  # it has looked for a file that was not there
    again = kernel.run(fit).check()
    assert again.status_of_step == "reused"
    assert again.facts["metrics"] == {"auc": 0.91}
    assert "auc 0.91" in again.receipt
    assert kernel.value("mlpipe.current().run().wait().steps['fit'].metrics") == {"auc": 0.91}
    here = "%%component local --here\nmlpipe.log_metric('f1', 0.5)\nmlpipe.progress(1)"
    assert kernel.run(here).check().facts["metrics"] == {"f1": 0.5}
    assert kernel.run(here).check().facts["metrics"] == {"f1": 0.5}
    assert kernel.run("mlpipe.log_metric('f1', 0.5); mlpipe.progress(0.5)").check().own == []


def test_figures_left_open_are_told(kernel: Kernel) -> None:
    kernel.run("import matplotlib\nmatplotlib.use('Agg')\nimport matplotlib.pyplot as plt").check()
    word = "plt of later cells does not know the figures that this one leaves open"
    assert word in kernel.run("%%component leaves\nplt.plot([1, 2])").check().receipt
    assert word in kernel.run("%%component leaves\nplt.plot([1, 2])").check().receipt  # reused
    assert word not in kernel.run("%%component closes\nplt.plot([1, 2])\nplt.close('all')").check().receipt
    kernel.run("%matplotlib inline").check()
    assert word not in kernel.run("%%component shows\nplt.plot([1, 2])").check().receipt
