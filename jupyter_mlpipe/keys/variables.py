"""Environment variables in keys, and those that a step turned out to read through a library or a program.

Which ones code reads by itself is written in it (`jupyter_mlpipe.keys.settings`). What libraries ask for, and
that programs were started, which can read all of them, is known once the step has run: its record tells what
they were then. Variables in which a terminal, a desktop, a login or a service says of itself who it is count
only where the user's own code asks for them: else nobody could reuse what a colleague has made.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set

from jupyter_mlpipe.keys.canonical import digest
from jupyter_mlpipe.keys.process import ENVIRONMENT, is_own_variable
from jupyter_mlpipe.model.status import Ingredient

_SETTING = "env"
_SET_IN_NOTEBOOK = f"{_SETTING} set in the notebook"
# By the user's code: `os.path.expanduser`, `getpass.getuser`, `tempfile.gettempdir`.
OF_USER = frozenset({"HOME", "USER", "LOGNAME", "USERNAME", "USERPROFILE", "TMPDIR", "TEMP", "TMP"})
_OF_SESSION = re.compile(
    "|".join(
        (
            # Terminals and shells.
            r"PATH|SHELL|TERM|COLORTERM|FORCE_COLOR|NO_COLOR|CLICOLOR\w*|PAGER|GIT_PAGER|LESS\w*|LS_COLORS|EDITOR|VISUAL",
            r"COLUMNS|LINES|PS\d|PROMPT\w*|TTY|STY|LINENO|RANDOM|SECONDS|MOTD_SHOWN|WSLENV|COMMAND_MODE",
            r"(TERM|TERMINAL|TMUX|ITERM|KONSOLE|VTE|KITTY|ALACRITTY|WEZTERM|WT|WSL|ZSH|BASH|HIST|FZF)_\w*",
            # Desktops and logins.
            r"BROWSER|DISPLAY|MAIL|HOST|HOSTNAME|SESSION_MANAGER|WINDOWID|WINDOWPATH|GDMSESSION|XAUTHORITY|ICEAUTHORITY",
            r"(GNOME|KDE|GTK|QT|GIO|DESKTOP|XDG|DBUS|WAYLAND|SSH|GPG|SUDO|XPC)_\w*|__CF\w*|SECURITYSESSIONID",
            # Services, schedulers and continuous integration.
            r"INVOCATION_ID|JOURNAL_STREAM|MANAGERPID|NOTIFY_SOCKET|CI",
            r"(SYSTEMD|CONTAINER|KUBERNETES|SLURM|PBS|LSB|DASK|GITHUB|RUNNER|CI|PYTEST|COVERAGE|COV)_\w*",
            # What Python, editors and notebooks are started by.
            r"VIRTUAL_ENV\w*|IPYTHON\w*|(CONDA|PYENV|POETRY|UV|NVM|VSCODE|ELECTRON|CHROME|PYCHARM|JUPYTER|JUPYTERHUB|JPY|KERNEL|COLAB|IPY)_\w*",
        )
    )
)


def is_of_session(name: str) -> bool:
    """Tell whether a variable says of a session or a user who it is, not what is to be done."""
    return name in OF_USER or _OF_SESSION.fullmatch(name) is not None


@functools.lru_cache(maxsize=4096)
def of_variable(name: str, value: str | None) -> Ingredient:
    """Return the part of a key that a variable is; None: it is not set."""
    return Ingredient("setting", f"{_SETTING} {name}", digest("environment", name, value), "")


def of_environment(environment: Mapping[str, str | None]) -> Ingredient:
    """Return the part of a key that all variables are, where the notebook has changed these."""
    return Ingredient("setting", _SETTING, digest("whole environment", sorted(_whole(environment).items())))


def named_after(libraries: Set[str], environment: Mapping[str, str | None]) -> set[str]:
    """Return the variables that are named after libraries, which may have read them when they were loaded.

    Parameters
    ----------
    environment
        The variables that the notebook has changed.
    """
    found = {name for library in libraries & _by_prefix().keys() for name in _by_prefix()[library]}
    return found.union(name for name in environment if _prefix(name) in libraries)


def _prefix(name: str) -> str:
    return name.partition("_")[0].lower()


@functools.cache
def _by_prefix() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in ENVIRONMENT.usual(os):
        if not is_of_session(name):
            found.setdefault(_prefix(name), []).append(name)
    return found


def value_of(name: str, environment: Mapping[str, str | None]) -> str | None:
    """Return what a variable is, where the notebook has changed these."""
    # Of those that the kernel or the machine sets, the one of this moment.
    around = os.environ if is_own_variable(name) else ENVIRONMENT.usual(os)
    return environment[name] if name in environment else around.get(name)


def variable_states(
    read: Iterable[str], started: Mapping[str, str], environment: Mapping[str, str | None]
) -> dict[str, str]:
    """Return what a record rests on.

    Parameters
    ----------
    read
        Names of variables; an empty one stands for all of them.
    started
        All variables as they were when the code began.
    environment
        Those of them that the notebook has changed.
    """
    named = sorted(name for name in read if name)
    states = {f"{_SETTING} {name}": of_variable(name, started.get(name)).digest for name in named}
    if "" in read:
        states |= {_SETTING: _digest_counted(started), _SET_IN_NOTEBOOK: _digest_counted(environment)}
    return states


def states_now(
    before: Iterable[str], environment: Mapping[str, str | None], *, elsewhere: bool
) -> Iterator[tuple[str, str | None]]:
    """Give what `variable_states` would say now, by the names that it gave; None where that is not known.

    Parameters
    ----------
    environment
        The variables that the notebook has changed.
    elsewhere
        Steps run in another environment than the notebook's, of which only what is sent is known.
    """
    for state in before:
        if state == _SETTING:
            yield state, None if elsewhere else _digest_counted(_whole(environment))
        elif state == _SET_IN_NOTEBOOK:
            yield state, _digest_counted(environment) if elsewhere else None
        elif state.startswith(f"{_SETTING} "):
            name = state.removeprefix(f"{_SETTING} ")
            is_known = name in environment or not elsewhere
            yield state, of_variable(name, value_of(name, environment)).digest if is_known else None


def _whole(environment: Mapping[str, str | None]) -> dict[str, str]:
    whole = {**ENVIRONMENT.usual(os), **environment}
    return {name: value for name, value in whole.items() if value is not None}


def _digest_counted(variables: Mapping[str, str | None]) -> str:
    counted = [name for name in variables if not is_own_variable(name) and not is_of_session(name)]
    return digest("environment", [(name, variables[name]) for name in sorted(counted)])
