"""What is no part of a key: which notebook, which user, which folder; and what can have none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]

CELLS = [
    "import tools\nk = {'a': [1, 2.0]}\ndef h(x): return tools.f(x) + k['a'][0]",
    "%%component load\nimport pandas as pd\nrows = pd.DataFrame({'a': [1, 2, 3]})",
    "%%component fit\ny = h(int(rows['a'].sum()))",
]


def test_another_notebook_of_another_user_in_another_folder_reuses_all(
    start_kernel: Start, tmp_path: Path
) -> None:
    seen = []
    for name in ("ada", "ben"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "tools.py").write_text("def f(x): return x * 2\n")
        kernel = start_kernel(
            folder,
            MLPIPE_STORE=str(tmp_path / "store"),
            JPY_SESSION_NAME=str(folder / f"{name}.ipynb"),
            USER=name,
            LOGNAME=name,
            HOSTNAME=name,
            PYTHONHASHSEED="1" if name == "ada" else "2",
        )
        kernel.run(CELLS[0]).check()
        seen.append([kernel.run(cell).check().status_of_step for cell in CELLS[1:]])
        assert kernel.value("y") == 13
    assert seen == [["succeeded"] * 2, ["reused"] * 2]


def test_what_has_no_digest_is_not_reused_and_said(kernel: Kernel) -> None:
    kernel.run("import threading\nlocks = {'own': [threading.Lock()]}").check()
    kernel.run("def h(): return locks['own'][0].locked()").check()
    cell = "%%component held --here\nx = h()"
    assert [kernel.run(cell).check().status_of_step for _ in range(2)] == ["succeeded"] * 2
    told = str(kernel.run("%pipeline why held").check().facts)
    for part in ("locks", "_thread.lock", "['own'][0]", "Make it inside the cell"):
        assert part in told
    # In a process of its own it cannot even run.
    moved = kernel.run("%%component sent\nx = h()").check()
    assert moved.status_of_step == "succeeded"
    for part in ("runs in the kernel itself", "locks", "_thread.lock"):
        assert part in moved.receipt
