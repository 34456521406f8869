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
        Reason("value", "gone", "removed"),
        Reason("value", "table", "changed"),
        Reason("parameter", "seed", "7 -> 8"),
        Reason("input", "train", "changed"),
        Reason("package", "pandas", "3.1.0 -> 3.1.1"),
    )
    assert explain(now, now) == ()
