"""Plans, reasons and accepted edits as a notebook shows them, in real kernels."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tests.support.kernel import MIME, Kernel, Result

Start = Callable[..., Kernel]

CLEAN = "def clean(rows):\n    return [r for r in rows if r > 0]"
EDITED = CLEAN.replace("r > 0", "r >= 0")
CELLS = {
    "clean": CLEAN,
    "load": "%%component load\nrows = [3, 1, 0, -2]",
    "split": "%%component split\nimport tools\nkept = clean(rows)\nlow = tools.least(kept)",
    "fit": "%%component fit\nmodel = low * 2",
    "score": "%%component score\nresult = model + len(kept)",
}
TOOLS = "LIMIT = 3\n\ndef least(x):\n    return min(x)\n\ndef other():\n    return LIMIT\n"


def ran(kernel: Kernel, edited: dict[str, str] | None = None) -> Kernel:
    (kernel.folder / "tools.py").write_text(TOOLS)
    for name, cell in {**CELLS, **(edited or {})}.items():
        kernel.run(cell, cell_id=name).check()
    return kernel


def bundle(result: Result) -> dict[str, Any]:
    """What a cell shows of ours, in all its forms."""
    (data,) = [o["data"] for o in result.check().outputs if MIME in o.get("data", {})]
    return dict(data)


def texts(reasons: list[dict[str, str]]) -> list[str]:
    return [reason["text"] for reason in reasons]


def test_a_plan_says_part_by_part_why_with_what_changed(kernel: Kernel) -> None:
    ran(kernel)
    kernel.run(EDITED, cell_id="clean").check()
    (kernel.folder / "tools.py").write_text(TOOLS.replace("min(x)", "sorted(x)[0]"))
    shown = bundle(kernel.run("%pipeline plan"))
    steps = shown[MIME]["steps"]
    assert {name: texts(step["reasons"]) for name, step in steps.items() if name != "load"} == {
        "split": ["helper clean changed", "helper tools.least changed"],
        "fit": ["input low: 'split' runs: helper clean changed, 1 more"],
        "score": [
            "input model: 'fit' may run after 'split'",
            "input kept: 'split' runs: helper clean changed, 1 more",
        ],
    }
    helper, module = steps["split"]["reasons"]
    assert helper["diff"].splitlines()[1:] == [
        " def clean(rows):",
        "-    return [r for r in rows if r > 0]",
        "+    return [r for r in rows if r >= 0]",
    ]
    assert "-    return min(x)\n+    return sorted(x)[0]" in module["diff"]
    assert steps["score"]["below"] == ["split"]
    assert re.fullmatch(
        r"plan: 1 run, about .*; 2 undecided, up to .*; 1 reused, saves .*",
        shown["text/plain"].splitlines()[0],
    )
    html = shown["text/html"]
    assert 'data-mlpipe-step="split" data-mlpipe-plan="run"' in html
    assert "<summary" in html
    assert "r &gt;= 0" in html

    # The plan of the API shows itself in the same way.
    kernel.run("import jupyter_mlpipe as mlpipe\nplan = mlpipe.current().plan()").check()
    assert bundle(kernel.run("plan"))["text/html"] == html
    assert kernel.value("plan['split'].reasons[0].diff") == helper["diff"]

    # What ran says why, also after it has been reused.
    kernel.run(CELLS["score"], cell_id="score").check()
    kernel.run(CELLS["score"], cell_id="score").check()
    why = bundle(kernel.run("%pipeline why split"))
    assert texts(why[MIME]["last"]["reasons"]) == ["helper clean changed", "helper tools.least changed"]
    assert why[MIME]["last"]["reasons"][0]["diff"] == helper["diff"]
    assert (why[MIME]["decision"], texts(why[MIME]["reasons"])) == (
        "reuse",
        ["same code, inputs, parameters and packages"],
    )
    assert "      +    return [r for r in rows if r >= 0]" in why["text/plain"].splitlines()
    assert "<details" in why["text/html"]
    below = kernel.run("%pipeline why score").facts["last"]
    assert texts(below["reasons"]) == [
        "input kept: 'split' ran: helper clean changed, 1 more",
        "input model: 'fit' ran: input low changed",
    ]
    assert kernel.run("mlpipe.current().why('split').now.decision").result == "'reuse'"


def test_options_do_what_they_say_and_are_told(kernel: Kernel) -> None:
    def run(line: str) -> tuple[str, str]:
        result = kernel.run(f"%%component make{line}\nimport random\nx = random.SystemRandom().random()")
        return result.check().status_of_step, result.receipt.rpartition(": ")[2]

    run("")
    first = kernel.value("x")
    assert run(" --max-age 1h")[0] == "reused"
    status, why = run(" --max-age 0.001s")
    assert (status, why.endswith(" old, --max-age 1 ms")) == ("succeeded", True)
    second = kernel.value("x")
    assert run(" --max-age 1h")[0] == "reused"
    assert kernel.value("x") == second != first

    assert run(" --no-reuse") == ("succeeded", "--no-reuse")
    assert run(" --no-reuse") == ("succeeded", "--no-reuse")
    (reason,) = kernel.run("%pipeline plan").facts["steps"]["make"]["reasons"]
    assert reason["text"] == "--no-reuse"

    assert run(" --salt a")[0] == "succeeded"
    salted = kernel.value("x")
    assert run(" --salt b") == ("succeeded", "salt a -> b")
    assert run(" --salt a")[0] == "reused"
    assert kernel.value("x") == salted

    (forced,) = kernel.run("%pipeline plan --force make").facts["steps"]["make"]["reasons"]
    assert forced["text"] == "forced"
    kernel.run("run = %pipeline run --force make\nrun.wait()").check()
    assert kernel.value("x") != salted
    again = kernel.value("x")
    assert kernel.run("%pipeline plan").facts["steps"]["make"]["decision"] == "reuse"
    assert run(" --salt a")[0] == "reused"
    assert kernel.value("x") == again
    assert texts(kernel.run("%pipeline why make").facts["last"]["reasons"]) == ["forced"]


def test_an_edit_is_accepted_shown_and_taken_back(start_kernel: Start) -> None:
    kernel = ran(start_kernel())
    nothing = kernel.run("%pipeline accept split")
    assert "There is nothing to accept: 'split' is reused as it is" in nothing.printed_error
    kernel.run(EDITED, cell_id="clean").check()
    assert "is not known yet" in kernel.run("%pipeline accept score").printed_error
    kernel.close()

    # Everything is on disk: another kernel plans, accepts and reuses.
    kernel = start_kernel()
    kernel.run("%pipeline mode register").check()
    ran(kernel, {"clean": EDITED})
    said = bundle(kernel.run("%pipeline accept split"))
    assert said["text/plain"].startswith("split: accepted as unchanged: helper clean changed\n")
    steps = kernel.run("%pipeline plan").facts["steps"]
    assert {step["decision"] for step in steps.values()} == {"reuse"}
    (reason,) = steps["split"]["reasons"]
    assert re.fullmatch(r"accepted edit of helper clean \(.+, \d{4}-\d\d-\d\d\)", reason["text"])
    assert "+    return [r for r in rows if r >= 0]" in reason["diff"]
    drawn = bundle(kernel.run("%pipeline show"))
    assert f"split; {reason['text']}" in drawn["image/svg+xml"]

    kernel.run("%pipeline mode run").check()
    result = kernel.run(CELLS["split"], cell_id="split").check()
    assert (result.status_of_step, result.receipt.partition(": ")[2]) == ("reused", reason["text"])
    assert kernel.run(CELLS["score"], cell_id="score").check().status_of_step == "reused"
    assert kernel.value("(kept, result)") == ([3, 1], 4)
    assert "reused, accepted" in bundle(kernel.run("%pipeline show"))["text/plain"]
    assert texts(kernel.run("%pipeline why split").facts["reasons"]) == [reason["text"]]
    (listed,) = kernel.run("%pipeline accept").facts["edits"]
    assert (listed["step"], listed["changes"]) == ("split", ["helper clean changed"])

    # It is for that edit alone.
    kernel.run(EDITED.replace("0]", "1]"), cell_id="clean").check()
    assert kernel.run("%pipeline plan").facts["steps"]["split"]["decision"] == "run"
    kernel.run(EDITED, cell_id="clean").check()
    kernel.run("%pipeline accept split --revoke").check()
    assert kernel.run("%pipeline accept").facts["edits"] == []
    assert "no edit of 'split' was accepted" in kernel.run("%pipeline accept split --revoke").printed_error
    assert kernel.run("%pipeline plan").facts["steps"]["split"]["decision"] == "run"

    # By call, and a forced run stands in its place.
    kernel.run("import jupyter_mlpipe as mlpipe\nedits = mlpipe.current().accept('split')").check()
    assert kernel.value("edits[0].changes") == ("helper clean changed",)
    kernel.run("run = %pipeline run --force split\nrun.wait()").check()
    assert kernel.value("[e.step for e in mlpipe.current().accepted()]") == []
    assert texts(kernel.run("%pipeline plan").facts["steps"]["split"]["reasons"]) == [
        "same code, inputs, parameters and packages"
    ]
