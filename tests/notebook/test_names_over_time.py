"""Notebooks bind names again and again: what a component reads is what the kernel would give it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.kernel import Kernel

Start = Callable[..., Kernel]


def test_a_name_is_replaced_cell_after_cell(kernel: Kernel) -> None:
    kernel.run("%%component load\ndf = [1, 2, 3]").check()
    clean = kernel.run("%%component clean\ndf = [v for v in df if v > 1]").check()
    assert clean.receipt.startswith("clean  df (load) -> df")
    kernel.run("%%component double\ndf = [v * 2 for v in df]").check()
    assert kernel.value("df") == [4, 6]
    # Again, in any order: each reads what it read at first.
    assert kernel.run("%%component clean\ndf = [v for v in df if v > 1]").check().status_of_step == "reused"
    assert kernel.value("df") == [2, 3]
    assert kernel.run("%%component double\ndf = [v * 2 for v in df]").check().status_of_step == "reused"
    assert kernel.value("df") == [4, 6]


def test_a_step_that_replaces_a_notebook_value_reads_the_value_from_before(kernel: Kernel) -> None:
    kernel.run("n = 1").check()
    for _ in range(2):
        kernel.run("%%component grow\nn = n + 1").check()
        assert kernel.run("n").result == "2"
    kernel.run("n = 10").check()
    kernel.run("%%component grow\nn = n + 1").check()
    assert kernel.run("n").result == "11"


def test_a_plain_cell_that_binds_a_name_takes_it_over(kernel: Kernel) -> None:
    kernel.run("%%component load\ndf = [1, 2, 3]").check()
    kernel.run("df = df[:1]").check()
    use = kernel.run("%%component use\nn = len(df)").check()
    assert use.receipt.startswith("use  df (notebook) -> n")
    assert kernel.run("n").result == "1"


def test_a_plain_cell_that_changes_an_output_takes_it_over(kernel: Kernel) -> None:
    kernel.run("%%component load\nd = {'a': 1}").check()
    kernel.run("d['b'] = 2").check()
    kernel.run("%%component use\nkeys = sorted(d)").check()
    assert kernel.value("keys") == ["a", "b"]


def test_in_place_changes_seen_in_the_code_are_outputs(kernel: Kernel) -> None:
    kernel.run("%%component load\nd = {'a': 1}\nitems = [1]").check()
    change = kernel.run("%%component change\nd['b'] = 2\nitems.append(2)").check()
    assert "-> d, items" in change.receipt
    assert kernel.value("(d, items)") == ({"a": 1, "b": 2}, [1, 2])
    # Run again, it starts from what `load` made.
    assert kernel.run("%%component change\nd['b'] = 2\nitems.append(2)").check().status_of_step == "reused"
    assert kernel.value("items") == [1, 2]


def test_another_producer_can_be_asked_for(kernel: Kernel) -> None:
    kernel.run("%%component load\ndf = [1, 2, 3]").check()
    kernel.run("%%component clean\ndf = df[:1]").check()
    kernel.run("%%component use(df=load.df) -> n\nn = len(df)").check()
    assert kernel.run("n").result == "3"


def test_a_name_deleted_by_a_component_is_gone(kernel: Kernel) -> None:
    kernel.run("tmp = 1").check()
    kernel.run("%%component tidy\nkept = tmp + 1\ndel tmp").check()
    assert kernel.run("tmp").error["ename"] == "NameError"  # type: ignore[index]
    assert kernel.run("kept").result == "2"


def test_a_renamed_cell_retires_its_old_name(kernel: Kernel) -> None:
    kernel.run("%%component first\nx = 1", cell_id="c1").check()
    kernel.run("%%component second\nx = 1", cell_id="c1").check()
    assert kernel.value("__import__('jupyter_mlpipe').current().steps") == ("second",)


def test_a_deleted_cell_takes_its_component_along(kernel: Kernel) -> None:
    kernel.run("%%component first\nx = 1", cell_id="c1").check()
    kernel.run("y = 2", cell_id="c2", deletedCells=["c1"]).check()
    assert kernel.value("__import__('jupyter_mlpipe').current().steps") == ()


def test_a_step_is_of_the_cell_that_ran_it_last(kernel: Kernel) -> None:
    kernel.run("%%component first\nx = 1; y = 2", cell_id="c1").check()
    # A cell that is split leaves its id to the last part, one that is copied to the original.
    kernel.run("%%component first\nx = 1", cell_id="c2").check()
    kernel.run("%%component second\ny = 2", cell_id="c1").check()
    assert kernel.value("__import__('jupyter_mlpipe').current().steps") == ("first", "second")
    kernel.run("%%component second\ny = 2", cell_id="c3").check()
    kernel.run("z = x + y", cell_id="c1").check()
    kernel.run("z + 1", cell_id="c4", deletedCells=["c1"]).check()
    assert kernel.value("__import__('jupyter_mlpipe').current().steps") == ("first", "second")


def test_a_cell_turned_into_a_component_provides_its_readers(kernel: Kernel) -> None:
    kernel.run("df = [1, 2]").check()
    kernel.run("%%component use\nn = len(df)").check()
    kernel.run("%%component load\ndf = [1, 2, 3]").check()
    use = kernel.run("%%component use\nn = len(df)").check()
    assert use.receipt.startswith("use  df -> n")
    assert kernel.run("n").result == "3"


def test_names_in_strings_and_through_helpers_are_loaded(kernel: Kernel) -> None:
    kernel.run("%%component make\nlimit = 2\nother = 5").check()
    kernel.run("def show():\n    return other").check()
    assert kernel.run("eval('limit'), show()").check().result == "(2, 5)"


def test_what_may_not_be_reused_does_not_run_for_the_cells_below_it(kernel: Kernel) -> None:
    kernel.run("%%component tick --no-reuse\nimport time\nx = time.time_ns()").check()
    kernel.run("%%component below\ny = x + 1").check()
    assert kernel.value("y - x") == 1
    kernel.run("%%component below\ny = x + 2").check()
    assert kernel.value("y - x") == 2
    first = kernel.value("x")
    again = kernel.run("%%component tick --no-reuse\nimport time\nx = time.time_ns()").check()
    assert again.status_of_step == "succeeded"
    assert kernel.value("x") > first


def test_a_cell_that_fails_leaves_its_names_what_they_were(kernel: Kernel) -> None:
    kernel.run("%%component load\ndata = [1, 2]\ndef size(x): return len(x)").check()
    kernel.run("%%component use\nn = size(data)").check()
    assert kernel.run("%%component load\n1 / 0\ndata = [3]\ndef size(x): return 0").status == "error"
    assert kernel.value("data") == [1, 2]
    # A step that read it from there before, and one that never did.
    assert kernel.run("%%component use\nn = size(data)").check().receipt.startswith("use  data (notebook)")
    kernel.run("%%component other\nm = size(data) * 10").check()
    assert kernel.value("(n, m, size([]))") == (2, 20, 0)
    kernel.run("%%component load\ndata = [3]\ndef size(x): return -1").check()
    for cell in ("use\nn = size(data)", "other\nm = sum(data) * size(data)"):
        assert "data ->" in kernel.run(f"%%component {cell}").check().receipt
    assert kernel.value("(data, n, m)") == ([3], -1, -3)


def test_a_step_that_failed_still_starts_from_what_it_read(kernel: Kernel) -> None:
    kernel.run("data = [1]").check()
    kernel.run("%%component grow\ndata = data + [2]").check()
    assert kernel.run("%%component grow\ndata = data + [2]\ndata = data + [3]\n1 / 0").status == "error"
    assert kernel.value("data") == [1, 2, 3]
    kernel.run("%%component use\nn = len(data)").check()
    assert kernel.value("n") == 3
    kernel.run("%%component grow\ndata = data + [4]").check()
    kernel.run("%%component use\nn = len(data)").check()
    assert kernel.value("(data, n)") == ([1, 4], 2)


def test_a_name_that_a_failed_cell_was_to_bind_is_not_defined(kernel: Kernel) -> None:
    file = kernel.folder / "planets.txt"
    kernel.run(f"%%component load\nplanets = float(open({str(file)!r}).read())")
    plain = kernel.run("planets")
    assert plain.error is not None
    assert (plain.error["ename"], plain.error["evalue"]) == ("NameError", "name 'planets' is not defined")
    word = str([o["data"]["text/plain"] for o in plain.outputs if "data" in o])
    assert "Component 'load' makes 'planets', and failed" in word
    assert "FileNotFoundError" in word
    step = kernel.run("%%component use\nn = planets + 1")
    assert step.error is not None
    assert (step.error["ename"], step.error["evalue"]) == ("NameError", "name 'planets' is not defined")
    assert "Component 'load' makes 'planets', and failed" in step.traceback
    # Mended, it need not be run by its own cell.
    file.write_text("0.25")
    kernel.run("%pipeline run").check()
    assert kernel.value("(planets, n)") == (0.25, 1.25)


def test_what_was_rebound_elsewhere_is_no_output_here(start_kernel: Start) -> None:
    make = "%%component make\na = [1]\nd = {'list': a}"
    change = "%%component change\nd['list'].append(2)"
    for between, expected in (("a = 'other'", "other"), ("pass", [1, 2]), ("a = 'other'", "other")):
        kernel = start_kernel()
        for cell in (make, between, change):
            kernel.run(cell).check()
        assert kernel.value("a") == expected
        assert kernel.value("d") == {"list": [1, 2]}
        kernel.close()


WAIT = "from jupyter_mlpipe.notebook.extension import current_session\ncurrent_session().wait()"
MAKE = "%%component make\na = [1]\nd = {'list': a}"
CHANGE = "%%component change\nd['list'].append(2)"
CHANGE_AGAIN = "%%component again\nd['list'].append(3)"


def test_a_plan_says_that_what_shares_objects_is_not_the_same(start_kernel: Start) -> None:
    kernel = start_kernel()
    for cell in (MAKE, "a = 'other'", CHANGE):
        kernel.run(cell).check()
    kernel.close()
    kernel = start_kernel()
    kernel.run(MAKE).check()
    kernel.run("%pipeline mode register").check()
    kernel.run(CHANGE).check()
    plan = kernel.run("%pipeline plan").check()
    assert "input d what shares objects with it is not the same" in str(plan.outputs)
    kernel.run("%pipeline run").check()
    assert kernel.value("(a, d)") == ([1, 2], {"list": [1, 2]})
    plan = kernel.run("%pipeline plan").check()
    assert "plan: 2 reuse" in str(plan.outputs)


def test_a_cell_that_is_run_again_leaves_names_that_were_bound_anew(kernel: Kernel) -> None:
    for rebind, expected in (("a = 'plain'", "plain"), ("%%component other\na = 'step'", "step")):
        kernel.run(MAKE).check()
        kernel.run(CHANGE).check()
        assert kernel.value("a") == [1, 2]
        kernel.run(rebind).check()
        kernel.run(CHANGE).check()
        assert kernel.value("(a, d)") == (expected, {"list": [1, 2]})


def test_a_name_that_came_to_share_objects_is_changed_with_them(kernel: Kernel) -> None:
    kernel.run(MAKE).check()
    kernel.run(CHANGE).check()
    kernel.run(MAKE + "\nb = a").check()
    kernel.run(CHANGE).check()
    assert kernel.value("(a, b, d)") == ([1, 2], [1, 2], {"list": [1, 2]})
    assert kernel.value("a is b and b is d['list']")


@pytest.mark.parametrize("mode", ["run", "background"])
@pytest.mark.parametrize("make", [MAKE, MAKE.partition("\n")[2]], ids=["of a step", "of the notebook"])
def test_what_shares_objects_is_followed_through_steps(kernel: Kernel, mode: str, make: str) -> None:
    kernel.run(f"%pipeline mode {mode}").check()
    for cell in (make, CHANGE, CHANGE_AGAIN, "%%component use\nn = len(a)", "%%component last\nm = n"):
        kernel.run(cell).check()
    kernel.run(WAIT).check()
    assert kernel.value("(a, d, n, m)") == ([1, 2, 3], {"list": [1, 2, 3]}, 3, 3)


def test_what_shares_objects_with_an_output_is_seen_below_as_well(start_kernel: Start) -> None:
    for between, expected in (("pass", [1, 2, 3]), ("a = [0]", [0]), ("pass", [1, 2, 3])):
        kernel = start_kernel()
        for cell in (MAKE, between, CHANGE, "%%component show\ne = d['list']", "e.append(3)"):
            kernel.run(cell).check()
        assert kernel.value("(a, d, e)") == (expected, {"list": [1, 2, 3]}, [1, 2, 3])
        kernel.close()


def test_a_closure_that_is_only_read_stays_the_notebooks(kernel: Kernel) -> None:
    kernel.run("def make(n):\n def count():\n  nonlocal n\n  n += 1\n  return n\n return count").check()
    kernel.run("count, rate = make(1), 2").check()
    kernel.run("%%component look\nprint(callable(count), rate)").check()
    again = kernel.run("%%component look_too\ncallable(count)").check()
    assert again.receipt.startswith("look_too · ran")
    kernel.run("%%component call\nthree = count() + 1").check()
    assert kernel.value("count()") == 3


MODEL = """
class Net:
    def __init__(self):
        self.weights = [1]

class Optimizer:
    def __init__(self, weights):
        self.weights = weights

    def step(self):
        self.weights[0] += 1
"""


def test_an_object_of_an_own_class_that_cells_of_both_kinds_change_in_turn(kernel: Kernel) -> None:
    cells = (
        MODEL,
        "net = Net()",
        "%%component make\noptimizer = Optimizer(net.weights)\nloss = [0]",
        "optimizer.step()",
        "%%component train\noptimizer.step()\nloss",  # which reads from `make`, too
        "%%component load\nnet.weights[0] = 10",
        "%%component use\nboth = net.weights[0], optimizer.weights[0]",
    )
    for cell in cells:
        kernel.run(cell).check()
    assert kernel.value("(net.weights, optimizer.weights, both)") == ([10], [10], (10, 10))


def test_a_failed_cell_says_which_names_it_had_bound_and_not_kept(kernel: Kernel) -> None:
    kernel.run("%%component make\nrows = (n for n in range(3))\n1 / 0\nlater = 1")
    assert "'make' bound 'rows' before it failed, and it is not kept" in str(kernel.run("rows").outputs)
    assert "'make' makes 'later', and failed before it did" in str(kernel.run("later").outputs)


def test_a_private_name_that_the_notebook_has_too_is_said_to_stay_as_it_was(kernel: Kernel) -> None:
    kernel.run("_rate, _other = 1, 1").check()
    step = kernel.run("%%component scale\n_rate = 2\n_own = 3\nscaled = _rate * _own + _other").check()
    assert "_rate is another one in this step only, and stays as it was in the notebook" in step.receipt
    assert "_own is" not in step.receipt
    assert "_other is" not in step.receipt
    assert kernel.value("(_rate, scaled)") == (1, 7)
    # Said once.
    assert "_rate is" not in kernel.run("%%component again\n_rate = 5\nmore = _rate").check().receipt
