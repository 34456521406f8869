import pytest

from jupyter_mlpipe.keys.derive import derive_key, explain
from jupyter_mlpipe.keys.values import Undigestable
from jupyter_mlpipe.model.status import Ingredient, Reason

CODE = Ingredient("code", "", "c" * 64, "out = x")


def key(ingredients=(CODE,), parameters=None, inputs=None, outputs=("out",), salt=""):
    return derive_key(ingredients, parameters or {}, inputs or {}, outputs, salt)[0]


def test_every_part_counts_and_their_order_does_not():
    helper = Ingredient("helper", "f", "f" * 64)
    keys = [
        key(),
        key((CODE, helper)),
        key((Ingredient("code", "", "d" * 64),)),
        key(parameters={"seed": 7}),
        key(parameters={"seed": 7.0}),
        key(parameters={"seed": "7"}),
        key(parameters={"other": 7}),
        key(parameters={"seed": [7]}),
        key(inputs={"df": "1" * 64}),
        key(inputs={"df": "2" * 64}),
        key(inputs={"x": "1" * 64}),
        key(outputs=("a",)),
        key(outputs=()),
        key(salt="again"),
    ]
    assert len(set(keys)) == len(keys)
    assert key((CODE, helper)) == key((helper, CODE))
    assert key(parameters={"a": 1, "b": 2}) == key(parameters={"b": 2, "a": 1})
    # In function form their order says which part of what is returned is which.
    assert key(outputs=("a", "b")) != key(outputs=("b", "a"))


def test_details_do_not_enter_the_key():
    assert key() == key((Ingredient("code", "", "c" * 64, "other words"),))


def test_the_key_is_pinned():
    pinned = key(parameters={"seed": 7}, inputs={"df": "1" * 64}, salt="s")
    assert pinned == "04db4e8d91fa187a61ee897e619bf2c664bc7b5abe88d4757125d58501914421"


def test_a_parameter_without_digest_is_refused():
    with pytest.raises(Undigestable):
        key(parameters={"items": (i for i in ())})


def test_ingredients_are_named_and_readable():
    _, ingredients = derive_key((CODE,), {"seed": 7}, {"df": "1" * 64}, ("out",), "s")
    assert [(i.kind, i.name, i.detail) for i in ingredients] == [
        ("code", "", "out = x"),
        ("input", "df", ""),
        ("parameter", "seed", "7"),
        ("salt", "", "s"),
    ]


def test_explain_says_part_by_part_what_differs_code_first():
    before = (
        Ingredient("parameter", "seed", "1", "7"),
        Ingredient("package", "pandas", "1", "3.1.0"),
        Ingredient("helper", "clean", "1", "def clean(): pass"),
        Ingredient("value", "gone", "1", "1"),
        Ingredient("value", "table", "1", "DataFrame 2 x 3"),
        Ingredient("code", "", "1", "a"),
        Ingredient("input", "train", "1"),
        Ingredient("python", "", "1", "3.11"),
    )
    now = (
        Ingredient("parameter", "seed", "2", "8"),
        Ingredient("package", "pandas", "2", "3.1.1"),
        Ingredient("helper", "clean", "2", "def clean(): return"),
        Ingredient("helper", "fresh", "1", ""),
        Ingredient("value", "table", "2", "DataFrame 2 x 3"),
        Ingredient("code", "", "2", "b"),
        Ingredient("input", "train", "2"),
        Ingredient("python", "", "1", "3.11"),
    )
    assert explain(before, now) == (
        Reason("code", "", "changed"),
        Reason("helper", "clean", "changed"),
        Reason("helper", "fresh", "added"),
        Reason("value", "gone", "removed: 1"),
        Reason("value", "table", "changed"),
        Reason("parameter", "seed", "7 -> 8"),
        Reason("input", "train", "changed"),
        Reason("package", "pandas", "3.1.0 -> 3.1.1"),
    )
    assert explain(now, now) == ()


def explained(kind, name, before, now):
    """The one reason why two ingredients with these details differ."""
    (reason,) = explain(
        [Ingredient(kind, name, "1", before)] if before is not None else [],
        [Ingredient(kind, name, "2", now)] if now is not None else [],
    )
    return reason


def test_code_that_changed_comes_with_its_diff():
    reason = explained("helper", "f", "def f(x):\n    return x", "def f(x):\n    return x + 1")
    assert (reason.detail, reason.diff.splitlines()[-2:]) == (
        "changed",
        ["-    return x", "+    return x + 1"],
    )
    assert explained("code", "", None, "x = 1").diff == "@@ -0,0 +1 @@\n+x = 1"
    assert explained("helper", "f", "", "def f(): pass").diff == ""


def test_of_a_module_or_a_class_the_parts_that_changed_are_named():
    before = "A = 1\ndef f(): return A\ndef g(): return 2"
    assert explained("helper", "mod", before, before.replace("2", "3")).detail == "changed: g()"
    before = "class C:\n    n = 1\n    def f(self): return 1"
    assert explained("helper", "C", before, before.replace("return 1", "return 2")).detail == "changed: f()"
    assert explained("helper", "C", before, before.replace("C:", "C(dict):")).detail == "changed"


def test_a_helper_of_the_same_text_holds_something_else():
    text = "def f(x, n=N): return x"
    assert explained("helper", "f", text, text).detail == "changed in what it holds, not in its text"
    assert explained("helper", "f", text, text).diff == ""


def test_a_name_that_is_imported_from_elsewhere_says_from_where():
    assert explained("helper", "mean", "numpy.mean", "statistics.mean").detail == (
        "numpy.mean -> statistics.mean"
    )
    assert explained("helper", "np", None, "numpy").detail == "added: numpy"


def test_values_that_came_or_went_are_told_where_they_are_short():
    assert explained("value", "n", None, "3").detail == "added: 3"
    assert explained("salt", "", "again", None).detail == "removed: again"
    assert explained("value", "text", "a" * 100, None).detail == "removed"


def test_what_could_not_be_compared_before_is_no_change_of_its_own():
    assert explained("unhashable", "LOCK", "a lock", None).detail == "could not be compared the last time"
