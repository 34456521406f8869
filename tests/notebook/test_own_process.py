"""Options of a step's process, in a notebook."""

from __future__ import annotations

from pathlib import Path

from tests.support.kernel import Kernel


def test_scratch_is_part_of_the_key_and_spawn_is_not(kernel: Kernel, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("1")
    body = "import os\nnames = sorted(os.listdir())\nopen('made.txt', 'w').write('1')"
    kernel.run(f"%%component look --scratch --spawn\n{body}").check()
    assert kernel.value("names") == []
    assert not (tmp_path / "made.txt").exists()
    assert kernel.run(f"%%component look --scratch\n{body}").check().status_of_step == "reused"
    again = kernel.run(f"%%component look\n{body}").check()
    assert "setting --scratch" in again.receipt
    assert "data.csv" in kernel.value("names")
    declared = "%%component read(path: File = 'data.csv') --scratch\nx = open(path).read()"
    kernel.run("from jupyter_mlpipe import File").check()
    assert kernel.run(declared).check().status_of_step == "succeeded"
    assert kernel.run(declared).check().status_of_step == "reused"
    (tmp_path / "data.csv").write_text("22")
    assert kernel.run(declared).check().status_of_step == "succeeded"
    assert kernel.value("x") == "22"
    refused = kernel.run("%%component look --scratch --here\n1")
    assert "Keep one of them" in refused.printed_error


def test_a_step_beyond_its_memory_fails_with_its_name_and_is_not_tried_again(kernel: Kernel) -> None:
    hog = "%%component hog --memory 300MB --retries 2\n_x = b'1' * (500 << 20)\nimport time; time.sleep(1000)"
    failed = kernel.run(hog)
    assert failed.error is not None
    assert failed.error["ename"] == "StepMemoryError"
    assert "300.0 MB asked for with --memory" in failed.error["evalue"]
    assert failed.status_of_step == "failed"
    assert kernel.run("%%component other\nx = 1").check().status_of_step == "succeeded"
