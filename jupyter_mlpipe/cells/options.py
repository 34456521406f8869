"""The options of a component header: one table that serves parsing, completion and help."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jupyter_mlpipe.cells.units import parse_count, parse_duration, parse_number, parse_size
from jupyter_mlpipe.errors import HeaderError, close_matches
from jupyter_mlpipe.model.component import Options
from jupyter_mlpipe.model.resources import NAME, POOL_MARK, Resources


@dataclass(frozen=True, slots=True)
class Option:
    """One option as it is typed.

    Parameters
    ----------
    metavar
        Stands for the value; None for a switch.
    """

    flag: str
    metavar: str | None
    help: str

    @property
    def usage(self) -> str:
        return f"{self.flag} {self.metavar}" if self.metavar else self.flag


OPTIONS: tuple[Option, ...] = (
    Option("--cpus", "N", "cores that the step needs; a fraction is allowed (default 1)"),
    Option("--gpus", "N", "whole GPUs that the step needs"),
    Option("--memory", "SIZE", "memory that the step may use, such as 4GB or 512MiB: with more it is ended"),
    Option("--resource", "NAME=AMOUNT", "any other amount that a worker offers; may be repeated"),
    Option("--pool", "NAME", "run only on workers of this pool; left out, wherever it fits"),
    Option("--timeout", "DURATION", "stop the step after this time, such as 30m or 1h30m"),
    Option("--retries", "N", "try again so many times after an error, a crash or a timeout (default 0)"),
    Option("--no-reuse", None, "run the step each time, whatever is known"),
    Option("--max-age", "DURATION", "reuse only results younger than this, such as 7d"),
    Option("--salt", "TEXT", "any text that enters the key: another text, another result"),
    Option("--no-run", None, "register the component without running it"),
    Option("--background", None, "return at once and run beside other cells"),
    Option("--here", None, "run in the kernel's own process: for widgets, connections, input"),
    Option("--scratch", None, "run in an empty folder, which is then removed; declared files are there"),
    Option("--spawn", None, "run in a new interpreter instead of a fork: for libraries that bear no fork"),
    Option("--group", "NAME", "draw it in a box with the others of this group, which folds to one node"),
    Option("--no-auto", None, "never run the step by itself: see %pipeline auto"),
)

_BY_FLAG = {option.flag: option for option in OPTIONS}
_BUILT_IN_RESOURCES = {"CPU": "--cpus", "GPU": "--gpus", "MEMORY": "--memory"}


def parse_options(words: Sequence[tuple[str, str | None]]) -> Options:
    """Turn options and their values, as typed, into checked options.

    Raises
    ------
    HeaderError
        An option that is unknown, repeated, without its value, or with one that does not fit.
    """
    typed: dict[str, list[str]] = {}
    for name, text in words:
        option = find_option(name)
        if option.metavar is None and text is not None:
            raise HeaderError(f"{name} takes no value, but was given '{text}'. Write only {name}.")
        if option.metavar is not None and not text:
            raise HeaderError(f"{name} needs a value: write {option.usage}.")
        if name in typed and name != "--resource":
            raise HeaderError(f"{name} is given twice. Keep one of them.")
        typed.setdefault(name, []).append(text or "")
    values = {name: _VALUES[name](name, texts[0]) for name, texts in typed.items() if name in _VALUES}
    resources = Resources(
        cpus=values.get("--cpus", 1.0),
        gpus=values.get("--gpus", 0),
        memory_bytes=values.get("--memory", 0),
        custom=_custom_resources(typed.get("--resource", [])),
    )
    options = Options(
        resources=resources,
        pool=values.get("--pool"),
        timeout_s=values.get("--timeout"),
        retries=values.get("--retries", 0),
        max_age_s=values.get("--max-age"),
        salt=values.get("--salt", ""),
        group=values.get("--group", ""),
    )
    for flag in ("--scratch", "--spawn"):
        if flag in typed and "--here" in typed:
            raise HeaderError(
                f"{flag} is for steps with a process of their own, and --here runs this one in the kernel. "
                "Keep one of them."
            )
    return replace(
        options,
        reuse="--no-reuse" not in typed,
        run="--no-run" not in typed,
        background="--background" in typed,
        here="--here" in typed,
        scratch="--scratch" in typed,
        spawn="--spawn" in typed,
        auto="--no-auto" not in typed,
    )


def find_option(name: str) -> Option:
    """Return the option of that name; HeaderError offers close matches."""
    option = _BY_FLAG.get(name)
    if option is None:
        hint = close_matches(name, _BY_FLAG) or f" There are: {', '.join(_BY_FLAG)}."
        raise HeaderError(f"Unknown option '{name}' in the component header.{hint}")
    return option


def _read_with(parse: Callable[[str], Any], example: str) -> Callable[[str, str], Any]:
    def read(name: str, text: str) -> Any:
        try:
            return parse(text)
        except ValueError as problem:
            raise HeaderError(f"{name} {text}: {problem}. Write, for example, {name} {example}.") from None

    return read


def _parse_cores(text: str) -> float:
    cores = parse_number(text)
    if cores <= 0:
        raise ValueError("must be more than zero")
    return cores


def _parse_devices(text: str) -> int:
    try:
        return parse_count(text)
    except ValueError as problem:
        raise ValueError(f"{problem}; GPUs are given out whole") from None


def _parse_pool(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise ValueError("expected the name of a pool; what a step needs is said by --cpus, --memory, --gpus")
    return text


def _parse_group(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise ValueError("expected a name: letters, digits, underscores, hyphens")
    return text


_VALUES: dict[str, Callable[[str, str], Any]] = {
    "--cpus": _read_with(_parse_cores, "2"),
    "--gpus": _read_with(_parse_devices, "1"),
    "--memory": _read_with(parse_size, "4GB"),
    "--pool": _read_with(_parse_pool, "gpu"),
    "--timeout": _read_with(parse_duration, "30m"),
    "--retries": _read_with(parse_count, "1"),
    "--max-age": _read_with(parse_duration, "7d"),
    "--salt": _read_with(str, "2024-05"),
    "--group": _read_with(_parse_group, "prepare"),
}


def _custom_resources(texts: Sequence[str]) -> tuple[tuple[str, float], ...]:
    amounts: dict[str, float] = {}
    for text in texts:
        name, equals, amount_text = text.partition("=")
        problem = f"--resource {text}: expected NAME=AMOUNT, such as --resource LICENCE=1."
        if not equals or not re.fullmatch(NAME, name):
            raise HeaderError(problem)
        if name.startswith(POOL_MARK):
            raise HeaderError(f"--resource {text}: write --pool {name.removeprefix(POOL_MARK)}.")
        if name.upper() in _BUILT_IN_RESOURCES:
            raise HeaderError(f"--resource {text}: write {_BUILT_IN_RESOURCES[name.upper()]} for '{name}'.")
        if name in amounts:
            raise HeaderError(f"--resource {name} is given twice. Keep one of them.")
        try:
            amount = parse_number(amount_text)
        except ValueError:
            raise HeaderError(f"{problem} '{amount_text}' is not a number.") from None
        if amount <= 0 or not math.isfinite(amount):
            raise HeaderError(f"--resource {text}: the amount must be more than zero.")
        amounts[name] = amount
    return tuple(sorted(amounts.items()))
