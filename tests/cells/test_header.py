"""The grammar of the header, and what is said where it is not kept."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_mlpipe.cells.header import OPTIONS, Header, comment_header, header_help, parse_header
from jupyter_mlpipe.errors import HeaderError
from jupyter_mlpipe.model.component import Input, Options
from jupyter_mlpipe.model.resources import Resources


def test_a_name_alone_declares_nothing() -> None:
    assert parse_header("  load ") == Header("load")


def test_all_parts_together() -> None:
    header = parse_header(
        "split(flights, test_share: float = 0.2, seed=7) -> train, test --cpus 2 --memory 4GB "
        "--timeout 1h30m --retries=1"
    )
    assert header == Header(
        "split",
        inputs=(Input("flights"), Input("test_share", "float", "0.2"), Input("seed", None, "7")),
        outputs=("train", "test"),
        inputs_declared=True,
        outputs_declared=True,
        options=Options(Resources(cpus=2.0, memory_bytes=4_000_000_000), timeout_s=5400.0, retries=1),
        given=frozenset({"--cpus", "--memory", "--timeout", "--retries"}),
    )


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("", ()),
        ("df", (Input("df"),)),
        ("df: pd.DataFrame", (Input("df", "pd.DataFrame"),)),
        ("lr: Annotated[float, Gt(0)] = 0.1", (Input("lr", "Annotated[float, Gt(0)]", "0.1"),)),
        ('s=") -> x --cpus 3"', (Input("s", None, '") -> x --cpus 3"'),)),
        ("s='$HOME {x} #'", (Input("s", None, "'$HOME {x} #'"),)),
        ("d={'a': [1, (2, 3)]}", (Input("d", None, "{'a': [1, (2, 3)]}"),)),
        ("s=r'\\'", None),
        ("f=lambda a, b=(1): a", (Input("f", None, "lambda a, b=(1): a"),)),
        (r"s='\d'", (Input("s", None, r"'\d'"),)),
        ("df=load.df", (Input("df", None, "load.df"),)),
        ("df=load.df, other", (Input("df", None, "load.df"), Input("other"))),
        ("a, *, b=1", (Input("a"), Input("b", None, "1"))),
        ("a,\n  # a note\n  b=1,\n", (Input("a"), Input("b", None, "1"))),
        ("a=(1 +\n 2)", (Input("a", None, "(1 + 2)"),)),
        ('é="ü", b=1', (Input("é", None, '"ü"'), Input("b", None, "1"))),
        ('t="""\n)"""', (Input("t", None, '"""\n)"""'),)),
    ],
)
def test_inputs_are_what_python_reads(signature: str, expected: tuple[Input, ...] | None) -> None:
    if expected is None:
        with pytest.raises(HeaderError, match="not closed"):
            parse_header(f"f({signature}) -> out")
    else:
        header = parse_header(f"f({signature}) -> out --no-run")
        assert (header.inputs, header.inputs_declared) == (expected, True)
        assert (header.outputs, header.options.run) == (("out",), False)


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        ("f -> a", ("a",)),
        ("f->a", ("a",)),
        ("f ->a,b , c", ("a", "b", "c")),
        ("f -> (a, b)", ("a", "b")),
        ("f -> a,", ("a",)),
        ("f --cpus 2 -> a, b --no-run", ("a", "b")),
        ("f(x)->a", ("a",)),
        ("f -> None", ()),
        ("f -> ()", ()),
    ],
)
def test_outputs_follow_the_arrow(text: str, outputs: tuple[str, ...]) -> None:
    header = parse_header(text)
    assert (header.outputs, header.outputs_declared) == (outputs, True)


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("--cpus 0.5", Options(Resources(cpus=0.5))),
        ("--cpus=2", Options(Resources(cpus=2.0))),
        ("--gpus 1", Options(Resources(gpus=1))),
        ("--memory 512MiB", Options(Resources(memory_bytes=512 * 1024**2))),
        ("--memory 2e9", Options(Resources(memory_bytes=2_000_000_000))),
        ("--memory '4 gb'", Options(Resources(memory_bytes=4_000_000_000))),
        ("--resource B=2 --resource A=0.5", Options(Resources(custom=(("A", 0.5), ("B", 2.0))))),
        ("--resource=A=1", Options(Resources(custom=(("A", 1.0),)))),
        ("--pool large", Options(pool="large")),
        ("--timeout 90", Options(timeout_s=90.0)),
        ("--timeout 2min", Options(timeout_s=120.0)),
        ("--retries 0", Options()),
        ("--no-reuse", Options(reuse=False)),
        ("--max-age 7d", Options(max_age_s=604800.0)),
        ("--salt 'a -> --b'", Options(salt="a -> --b")),
        ('--salt="two words"', Options(salt="two words")),
        ("--salt=--x", Options(salt="--x")),
        ("--group prepare-2", Options(group="prepare-2")),
        (
            "--no-run --background --here --no-auto",
            Options(run=False, background=True, here=True, auto=False),
        ),
    ],
)
def test_options_have_units_and_defaults(text: str, options: Options) -> None:
    assert parse_header(f"f {text}").options == options


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "needs a name"),
        ("--cpus 2", "begins with '--cpus'"),
        ("(x) -> y", "needs a name"),
        ("my-step", "Write 'my_step'"),
        ("2nd", "'2nd' cannot name"),
        ("class", "Python keyword"),
        ("x" * 201, "has at most 200 characters, but .xxxxxxxxxxxxxxxxxxxx.. has 201"),
        ("f(a", "not closed"),
        ("f('a)", "not closed"),
        ("f(1)", "no Python signature"),
        ("f(a b)", "no Python signature"),
        ("f(class)", "no Python signature"),
        ("f(*args)", r"'\*args'"),
        ("f(**kw)", r"'\*\*kw'"),
        ("f(a, /)", "leave out the '/'"),
        ("f(a, a)", "Input 'a' of 'f' is given twice"),
        ("f ->", "Nothing follows '->'"),
        ("f -> --cpus 2", "Nothing follows '->'"),
        ("f -> a, a", "Output 'a' of 'f' is given twice"),
        ("f -> a b", "Separate outputs by commas"),
        ("f -> a.b", "'a.b' cannot name an output"),
        ("f -> a -> b", "two '->'"),
        ("f x", "'x' was not expected"),
        ("f --no-run (x)", "right behind the name"),
        ("f -c 2", "two dashes: --c"),
        ("f --cpu 2", "Unknown option '--cpu'.* Did you mean '--cpus'"),
        ("f --max_age 2", "Did you mean '--max-age'"),
        ("f --zzzzzz", "There are: --cpus"),
        ("f --cpus", "--cpus needs a value: write --cpus N"),
        ("f --cpus --gpus 1", "--cpus needs a value"),
        ("f --cpus=", "--cpus needs a value"),
        ("f --cpus two", "--cpus two: expected a number"),
        ("f --cpus nan", "expected a number"),
        ("f --cpus 1e999", "expected a number"),
        ("f --cpus 0", "more than zero"),
        ("f --cpus -1", "more than zero"),
        ("f --gpus 0.5", "given out whole"),
        ("f --gpus -1", "must not be negative"),
        ("f --memory 4XB", "unknown unit 'XB'.*KiB, MiB"),
        ("f --memory lots", "expected a size"),
        ("f --memory -4GB", "at least one byte"),
        ("f --timeout 3y", "unknown unit 'y'.*ms, s, m, h, d, w"),
        ("f --timeout 1h30", "expected a duration"),
        ("f --timeout 0", "more than zero"),
        ("f --timeout -5m", "must not be negative"),
        ("f --retries 1.5", "whole number"),
        ("f --retries -1", "must not be negative"),
        ("f --retries 1 --retries 2", "--retries is given twice"),
        ("f --no-run --no-run", "--no-run is given twice"),
        ("f --no-reuse=1", "--no-reuse takes no value"),
        ("f --resource LICENCE", "expected NAME=AMOUNT"),
        ("f --resource A=x", "'x' is not a number"),
        ("f --resource A=0", "more than zero"),
        ("f --resource A=1 --resource A=2", "--resource A is given twice"),
        ("f --resource gpu=1", "write --gpus for 'gpu'"),
        ("f --resource pool.gpu=1", "write --pool gpu"),
        ("f --pool gpu:gpus=1", "expected the name of a pool"),
        ("f --salt 'x", "quotation mark is not closed"),
    ],
)
def test_errors_say_what_was_found_and_what_to_write(text: str, said: str) -> None:
    with pytest.raises(HeaderError, match=f"(?s){said}"):
        parse_header(text)


@given(st.text(alphabet="ab(),=:-> \"'\\[]{}#\n2*/é", max_size=30))
def test_any_text_gives_a_header_or_a_header_error(text: str) -> None:
    try:
        header = parse_header(text)
    except HeaderError:
        return
    assert header.name.isidentifier()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("#| component: train(df) -> model\nx = 1", ("train(df) -> model", 1)),
        ("\n\n  #|component :train\nx", ("train", 3)),
        ("#| component: f(a,\n#|   b=1)\n#| --cpus 2\n# plain\nx", ("f(a,\n   b=1)\n --cpus 2", 3)),
        ("#| component: f", ("f", 1)),
        ("#| component: f\r\nx", ("f", 1)),
        ("#| component:", ("", 1)),
        ("x = 1\n#| component: f", None),
        ("# component: f", None),
        ("#| label: f", None),
        ("", None),
    ],
)
def test_comment_header_is_the_first_of_a_cell(cell: str, expected: tuple[str, int] | None) -> None:
    assert comment_header(cell) == expected


def test_a_comment_header_over_several_lines_is_parsed() -> None:
    found = comment_header("#| component: f(a,  # a note\n#|    b=1)\n#|   -> c\n#|   --cpus 2\ny")
    assert found is not None
    header = parse_header(found[0])
    assert header.inputs == (Input("a"), Input("b", None, "1"))
    assert (header.outputs, header.options.resources.cpus, found[1]) == (("c",), 2.0, 4)


def test_help_names_every_option() -> None:
    text = header_help()
    assert all(option.usage in text for option in OPTIONS)
