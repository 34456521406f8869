"""The line above a component: ``NAME[(inputs)] [-> outputs] [options]``."""

from __future__ import annotations

import ast
import io
import keyword
import re
import shlex
import tokenize
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from jupyter_mlpipe.cells.options import OPTIONS, Option, find_option, parse_options
from jupyter_mlpipe.cells.source import expression_text, split_lines, without_warnings
from jupyter_mlpipe.errors import HeaderError
from jupyter_mlpipe.model.component import Input, Options

__all__ = ["OPTIONS", "Header", "Option", "comment_header", "header_help", "parse_header"]

FORM = "NAME[(inputs)] [-> outputs] [options]"

_MAX_NAME = 200  # characters: names are shown whole, so no two are taken for each other
_NAME = re.compile(r"(?:(?!->)[^\s(])+")
_COMMENT_START = re.compile(r"\s*#\|\s*component\s*:(.*)", re.DOTALL)
_COMMENT_GOES_ON = re.compile(r"\s*#\|(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Header:
    """A component header as typed.

    Parameters
    ----------
    given
        Names of the options that were typed, ``"--cpus"`` for example.
    ends
        Offsets in the line, behind the name and behind the inputs.
    """

    name: str
    inputs: tuple[Input, ...] = ()
    outputs: tuple[str, ...] = ()
    inputs_declared: bool = False
    outputs_declared: bool = False
    options: Options = field(default_factory=Options)
    given: frozenset[str] = frozenset()
    ends: tuple[int, int] = field(default=(0, 0), compare=False)


def parse_header(line: str) -> Header:
    """Parse what follows ``%%component`` or ``#| component:``.

    Raises
    ------
    HeaderError
        The message holds the word that does not fit and what to write instead.
    """
    text = line.strip()
    shift = len(line) - len(line.lstrip())
    if not text or text.startswith(("(", "-")):
        found = f" It begins with '{text.split()[0]}'." if text else ""
        raise HeaderError(f"A component needs a name.{found} Write: {FORM}.")
    match = _NAME.match(text)
    assert match is not None
    name = match[0]
    with _at(shift, shift + len(name)):
        check_component_name(name)
    behind_name = shift + len(name)
    rest = text[len(name) :].lstrip()
    start = end = shift + len(text) - len(rest)
    inputs: tuple[Input, ...] | None = None
    if rest.startswith("("):
        with _at(start, shift + len(text)):
            end = start + _end_of_signature(name, rest)
        with _at(start, end):
            inputs = _parse_inputs(name, line[start:end])
    outputs, words = _split_rest(name, line[end : shift + len(text)], end)
    return Header(
        name=name,
        inputs=inputs or (),
        outputs=outputs or (),
        inputs_declared=inputs is not None,
        outputs_declared=outputs is not None,
        options=_read_options(words),
        given=frozenset(word.name for word in words),
        ends=(behind_name, behind_name if inputs is None else end),
    )


def comment_header(cell: str) -> tuple[str, int] | None:
    """Return the header text of a cell that begins with ``#| component: ...``, else None.

    With it comes the number of lines that the header takes, blank lines above it included.
    """
    lines = split_lines(cell)
    start = next((number for number, line in enumerate(lines) if line.strip()), None)
    if start is None or (match := _COMMENT_START.fullmatch(lines[start])) is None:
        return None
    parts = [match[1]]
    for line in lines[start + 1 :]:
        if (match := _COMMENT_GOES_ON.fullmatch(line)) is None:
            break
        parts.append(match[1])
    return "\n".join(parts).strip(), start + len(parts)


def header_help() -> str:
    """Return what a header may hold, as text to read."""
    width = max(len(option.usage) for option in OPTIONS)
    rows = (f"  {option.usage:<{width}}  {option.help}" for option in OPTIONS)
    return "\n".join(
        [
            f"%%component {FORM}",
            "",
            "Turn a cell into a step of the pipeline. Inputs and outputs are inferred from the code",
            "where they are left out; written out, they are checked when the cell is registered.",
            "",
            "  inputs    as in a Python signature: df, lr: float = 0.1, seed=7, df=load.df",
            "            A name with a default is a parameter; load.df takes df from the component load.",
            "  outputs   names separated by commas: -> train, test      -> None declares that there are none",
            "",
            "Options:",
            *rows,
            "",
            "Examples:",
            "  %%component load",
            "  %%component split(flights, test_share: float = 0.2, seed=7) -> train, test",
            "  %%component fit --cpus 2 --memory 4GB --timeout 30m --retries 1",
            "  #| component: train(df) -> model",
        ]
    )


def check_component_name(name: str) -> None:
    """Raise HeaderError unless the name is an identifier and no keyword, and short enough to be read."""
    if len(name) > _MAX_NAME:
        raise HeaderError(
            f"A component's name has at most {_MAX_NAME} characters, but '{name[:20]}…' has {len(name):,}."
        )
    if name.isidentifier() and not keyword.iskeyword(name):
        return
    if keyword.iskeyword(name):
        raise HeaderError(f"'{name}' is a Python keyword; name the component, say, '{name}_step'.")
    offer = re.sub(r"\W+", "_", name).strip("_")
    hint = f" Write '{offer}'." if offer.isidentifier() and not keyword.iskeyword(offer) else ""
    what = "with hyphens" if re.fullmatch(r"[\w-]+", name) and "-" in name else "as it is written"
    raise HeaderError(
        f"'{name}' cannot name a component {what}: letters, digits and underscores, a letter first.{hint}"
    )


def read_arguments(name: str, arguments: ast.arguments, lines: Sequence[str]) -> tuple[Input, ...]:
    """Return the inputs that a signature declares, annotations and defaults as written.

    Raises
    ------
    HeaderError
        ``*args``, ``**kwargs``, positional-only or repeated arguments.
    """
    for star, argument in (("*", arguments.vararg), ("**", arguments.kwarg)):
        if argument is not None:
            raise HeaderError(
                f"'{star}{argument.arg}' cannot be an input of '{name}': each input needs a name of its own."
            )
    if arguments.posonlyargs:
        raise HeaderError(f"Inputs of '{name}' are given by name: leave out the '/'.")
    inputs: dict[str, Input] = {}
    for argument, default in defaults_of(arguments):
        if argument.arg in inputs:
            raise HeaderError(f"Input '{argument.arg}' of '{name}' is given twice. Keep one of them.")
        inputs[argument.arg] = Input(
            argument.arg,
            annotation=expression_text(argument.annotation, lines) if argument.annotation else None,
            default=expression_text(default, lines) if default else None,
        )
    return tuple(inputs.values())


def defaults_of(arguments: ast.arguments) -> list[tuple[ast.arg, ast.expr | None]]:
    """Return each named argument with its default."""
    defaults: list[ast.expr | None] = [None] * (len(arguments.args) - len(arguments.defaults))
    defaults += [*arguments.defaults, *arguments.kw_defaults]
    return list(zip([*arguments.args, *arguments.kwonlyargs], defaults, strict=True))


def _end_of_signature(name: str, text: str) -> int:
    """Return the offset behind the parenthesis that closes the one at the start of the text."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.OP and token.string in "([{":
                depth += 1
            elif token.type == tokenize.OP and token.string in ")]}":
                depth -= 1
                if depth == 0:
                    return starts[token.end[0] - 1] + token.end[1]
            elif token.type == tokenize.ERRORTOKEN and token.string[:1] in ("'", '"'):
                break  # a string without an end, as Python 3.11 tells it
    except (tokenize.TokenError, SyntaxError):
        pass
    raise HeaderError(
        f"The inputs of '{name}' are not closed: '{_shorten(text)}'. "
        "Close the bracket or the quotation mark; write inputs as in a Python signature: (df, seed=7)."
    )


def _parse_inputs(name: str, signature: str) -> tuple[Input, ...]:
    source = f"def _{signature}: pass"
    try:
        arguments = _parse_arguments(source)
    except SyntaxError as problem:
        try:
            # An input without a default may follow one with: behind a star Python allows it too.
            source = f"def _(*,{signature[1:]}: pass"
            arguments = _parse_arguments(source)
        except SyntaxError:
            raise HeaderError(
                f"The inputs of '{name}' are no Python signature: {problem.msg}, in '{_shorten(signature)}'. "
                "Write names, with annotations and defaults where wanted: (df, lr: float = 0.1, seed=7)."
            ) from None
    return read_arguments(name, arguments, split_lines(source))


def _parse_arguments(source: str) -> ast.arguments:
    with without_warnings():
        (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    return function.args


@dataclass(frozen=True, slots=True)
class _Typed:
    """An option as typed, and where in the line."""

    name: str
    value: str | None
    span: tuple[int, int]


def _split_rest(name: str, text: str, shift: int) -> tuple[tuple[str, ...] | None, list[_Typed]]:
    """Return the outputs, None where there is no arrow, and the options; `shift` is where the text begins."""
    with _at(shift, shift + len(text)):
        words = _split_words(name, text)
    outputs: tuple[str, ...] | None = None
    options: list[_Typed] = []
    position = 0
    while position < len(words):
        word, start, end = words[position]
        position += 1
        if word.startswith("->"):
            listed = [word[2:]]
            while position < len(words) and not words[position][0].startswith(("--", "->")):
                listed.append(words[position][0])
                end = words[position][2]
                position += 1
            with _at(shift + start, shift + end):
                if outputs is not None:
                    raise HeaderError(f"The header of '{name}' has two '->'. Separate outputs by commas.")
                outputs = _parse_outputs(name, " ".join(listed).strip())
            continue
        with _at(shift + start, shift + end):
            if not word.startswith("--"):
                raise HeaderError(_describe_stray(name, word))
            option_name, equals, given = word.partition("=")
            option = find_option(option_name)
        value = given if equals else None
        follows = position < len(words) and not words[position][0].startswith(("--", "->"))
        if option.metavar is not None and not equals and follows:
            value, _, end = words[position]
            position += 1
        options.append(_Typed(option_name, value, (shift + start, shift + end)))
    return outputs, options


def _split_words(name: str, text: str) -> list[tuple[str, int, int]]:
    """Split as a shell does; with each word, where it begins and ends."""
    stream = io.StringIO(text)
    lexer = shlex.shlex(stream, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    words: list[tuple[str, int, int]] = []
    end = 0
    try:
        while (word := lexer.get_token()) is not None:
            start = end + len(text[end:]) - len(text[end:].lstrip())
            # But for the last word, the blank behind it has been read.
            end = stream.tell() - (stream.tell() < len(text))
            words.append((word, start, end))
    except ValueError:
        raise HeaderError(
            f"A quotation mark is not closed in the header of '{name}': '{_shorten(text)}'."
        ) from None
    return words


def _read_options(typed: Sequence[_Typed]) -> Options:
    words = [(option.name, option.value) for option in typed]
    try:
        return parse_options(words)
    except HeaderError:
        for number, option in enumerate(typed):
            with _at(*option.span):
                parse_options(words[: number + 1])
        raise


@contextmanager
def _at(start: int, end: int) -> Iterator[None]:
    """Note with errors from in here which part of the line they are about."""
    try:
        yield
    except HeaderError as error:
        error.span = error.span or (start, end)
        raise


def _parse_outputs(name: str, text: str) -> tuple[str, ...]:
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
        if not text:
            return ()
    if text == "None":
        return ()
    if not text:
        raise HeaderError(
            f"Nothing follows '->' in the header of '{name}'. Name the outputs, separated by commas, "
            "or write '-> None' for none."
        )
    outputs: list[str] = []
    for part in text.removesuffix(",").split(","):
        output = part.strip()
        if not output.isidentifier() or keyword.iskeyword(output):
            between = " Separate outputs by commas." if len(output.split()) > 1 else ""
            raise HeaderError(
                f"'{output}' cannot name an output of '{name}': outputs are Python names.{between}"
            )
        if output in outputs:
            raise HeaderError(f"Output '{output}' of '{name}' is given twice. Keep one of them.")
        outputs.append(output)
    return tuple(outputs)


def _describe_stray(name: str, word: str) -> str:
    if word.startswith("("):
        hint = f"inputs come right behind the name: {name}(...)"
    elif word.startswith("-"):
        hint = f"options begin with two dashes: -{word}"
    else:
        hint = f"outputs come behind '->', options begin with '--': {FORM}"
    return f"'{word}' was not expected in the header of '{name}'; {hint}."


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
