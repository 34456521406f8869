"""What code takes from the process around it, and whether it sets something for the cells below.

Found by the shape of the code: ``os.environ["HOME"]``, ``np.random.rand()``. The tables below say
what counts; names are resolved by the imports of the code, else by the namespace.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from jupyter_mlpipe.keys.syntax import read_syntax

# Modules whose functions draw from a global random state, or set it.
_RANDOM_MODULES = frozenset({"random", "numpy.random", "torch", "cupy.random"})
_OWN_GENERATORS = frozenset(
    {"default_rng", "Generator", "RandomState", "SeedSequence", "Random", "SystemRandom"}
)
_TORCH_RANDOM = frozenset(
    [
        "rand",
        "randn",
        "randint",
        "randperm",
        "rand_like",
        "randn_like",
        "randint_like",
        "normal",
        "bernoulli",
        "multinomial",
        "poisson",
        "manual_seed",
        "set_rng_state",
    ]
)
# Last parts of the names of what sets something for the cells below.
_SETTERS = frozenset(
    [
        "basicConfig",
        "chdir",
        "dictConfig",
        "environ",
        "field_size_limit",
        "filterwarnings",
        "getcontext",
        "load_dotenv",
        "options",
        "putenv",
        "rc",
        "rcParams",
        "rcdefaults",
        "resetwarnings",
        "reset_option",
        "setLevel",
        "set_config",
        "ast_node_interactivity",
        "set_context",
        "set_default_dtype",
        "set_int_max_str_digits",
        "set_option",
        "set_palette",
        "set_printoptions",
        "set_style",
        "set_theme",
        "seterr",
        "setcontext",
        "setlocale",
        "setrecursionlimit",
        "simplefilter",
        "tzset",
        "use",
    ]
)
# Last parts of the names of what starts another program.
_STARTERS = frozenset(
    {"Popen", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell", "getoutput"}
    | {"getstatusoutput", "popen", "posix_spawn", "run_cell_magic", "system"}
)
_SHELL_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
# What is said by where the notebook lies. In a module of the user's, `Path(__file__).resolve()` is no more
# than a way to find its files.
ASK_FOR_FOLDER = frozenset({"getcwd", "getcwdb", "cwd"})
MAY_ASK_FOR_FOLDER = ASK_FOR_FOLDER | {"abspath", "realpath", "resolve", "absolute"}
# What programs and magics ask for it.
_FOLDER_ASKED = re.compile(r"\b(?:pwd|PWD|getcwd|cwd|realpath)\b")
_ASKERS = _STARTERS | {"run", "call", "run_line_magic", "run_magic_quietly", "sx"}
_ENVIRONMENT = frozenset({"os.environ", "os.environb"})
_EXPANDER = "expandvars"
_READERS = frozenset(
    {"os.getenv", "os.getenvb", f"os.path.{_EXPANDER}", f"posixpath.{_EXPANDER}", f"ntpath.{_EXPANDER}"}
)


_METADATA = ("importlib.metadata.", "importlib_metadata.", "pkg_resources.")
_FINDER = "importlib.util.find_spec"
_IMPORTERS = frozenset({"importlib.import_module", _FINDER, "__import__", "pkgutil.resolve_name"})
_OF_PACKAGES = frozenset(
    {name.rpartition(".")[2] for name in _IMPORTERS}
    | {"version", "distribution", "metadata", "requires", "files", "entry_points", "distributions"}
    | {"packages_distributions", "get_distribution", "require", "iter_entry_points"}
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What was found in a piece of code.

    Parameters
    ----------
    dotted
        Dotted names as written, with those that the code imports made absolute.
    environment
        Dotted name and literal key (None: not a literal) of each use that may read an environment.
    packages
        The same of each that may ask which packages are installed, or import one.
    """

    dotted: frozenset[str] = frozenset()
    environment: tuple[tuple[str, str | None], ...] = ()
    called: frozenset[str] = frozenset()
    packages: tuple[tuple[str, str | None], ...] = ()


@dataclass(slots=True)
class FoundSettings:
    """Settings by what they mean, names resolved."""

    variables: dict[str, None] = field(default_factory=dict)
    reads_any_variable: bool = False
    packages: dict[str, None] = field(default_factory=dict)
    asks_for_any_package: bool = False
    draws: bool = False


def scan_settings(tree: ast.AST, around: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """Collect what may be a setting; what the names mean is said by `resolve_settings`.

    Parameters
    ----------
    around
        What imports around the code bind, as `imported_names` gives it.
    """
    nodes = read_syntax(tree).nodes
    return join_settings(_scan(nodes, {**around, **imported}) for imported in imported_names(nodes))


def join_settings(found: Iterable[Settings]) -> Settings:
    """Return what was found in several pieces of code as if in one."""
    found = list(found)
    if len(found) == 1:
        return found[0]
    return Settings(
        frozenset().union(*(each.dotted for each in found)),
        tuple(dict.fromkeys(use for each in found for use in each.environment)),
        frozenset().union(*(each.called for each in found)),
        tuple(dict.fromkeys(use for each in found for use in each.packages)),
    )


def _scan(nodes: Mapping[type[ast.AST], Sequence[Any]], imported: Mapping[str, str]) -> Settings:
    names = {node.id for node in nodes.get(ast.Name, ())}
    dotted = {imported.get(name, name) for name in names}
    named: list[ast.expr] = []  # an environment
    if any(map(_is_environment, dotted)):
        named += [node for node in nodes[ast.Name] if _is_environment(imported.get(node.id, node.id))]
    for node in nodes.get(ast.Attribute, ()):
        if (name := _dotted(node, imported)) is not None:
            dotted.add(name)
            if _is_environment(name):
                named.append(node)
    environment: list[tuple[str, str | None]] = []
    packages: list[tuple[str, str | None]] = []
    called: set[str] = set()
    covered: set[int] = set()
    for node in nodes.get(ast.Call, ()):
        name = _dotted(node.func, imported)
        if name is None and isinstance(node.func, ast.Attribute):
            called.add(node.func.attr)
        if name is not None:
            last = name.rpartition(".")[2]
            called.add(last)
            if last in ("getenv", "getenvb", "get", "pop", "setdefault"):
                environment.append((name, _literal(node.args)))
                covered.update(map(id, _chain(node.func)))
            elif last in _OF_PACKAGES and not _is_of_own(node.args):
                packages.append((name, _literal(node.args)))
            elif last == _EXPANDER and _literal(node.args) is not None:
                covered.add(id(node.func))  # its variables are found as those for a shell
    texts = [node.value for node in nodes.get(ast.Constant, ()) if isinstance(node.value, str)]
    for text in texts:
        if "$" in text:
            # For a shell: `!echo $HOME`. Where it is no variable, it never changes either.
            environment += [("os.environ", name) for name in _SHELL_VARIABLE.findall(text)]
    if not called.isdisjoint(_ASKERS) and any(map(_FOLDER_ASKED.search, texts)):
        called |= ASK_FOR_FOLDER
    if named:
        for node in nodes.get(ast.Subscript, ()):
            name = _dotted(node.value, imported)
            if name is not None and _is_environment(name):
                if isinstance(node.ctx, ast.Load):
                    environment.append((name, _literal([node.slice])))
                covered.update(map(id, _chain(node.value)))
        for node in nodes.get(ast.Compare, ()):
            name = _dotted(node.comparators[0], imported) if len(node.comparators) == 1 else None
            if name is not None and _is_environment(name):
                environment.append((name, _literal([node.left])))
                covered.update(map(id, _chain(node.comparators[0])))
    environment += [(_dotted(node, imported) or "", None) for node in named if id(node) not in covered]
    if any(name.endswith(_EXPANDER) for name in dotted):
        expanders = (*nodes.get(ast.Name, ()), *nodes.get(ast.Attribute, ()))
        named_so = [_dotted(node, imported) or "" for node in expanders if id(node) not in covered]
        environment += [(name, None) for name in named_so if name.endswith(_EXPANDER)]
    return Settings(
        frozenset(dotted),
        tuple(dict.fromkeys(environment)),
        frozenset(called),
        tuple(dict.fromkeys(packages)),
    )


def _is_of_own(arguments: Sequence[ast.expr]) -> bool:
    """Tell whether code asks for its own package, or for what belongs to it: ``f"{__package__}.plugins"``."""
    first = arguments[0] if arguments else None
    if isinstance(first, ast.JoinedStr) and first.values:
        first = first.values[0]
    if isinstance(first, ast.FormattedValue):
        first = first.value
    if isinstance(first, ast.BinOp):
        first = first.left
    if isinstance(first, ast.Constant):
        return isinstance(first.value, str) and first.value.startswith(".")
    return isinstance(first, ast.Name) and first.id in ("__name__", "__package__")


def _is_environment(name: str) -> bool:
    return name.endswith(("environ", "environb")) and name.rpartition(".")[2] in ("environ", "environb")


def may_set_something(names: Iterable[str]) -> bool:
    """Tell whether dotted names are among those of what sets something for the cells below."""
    return any(name.rpartition(".")[2] in _SETTERS or name == "sys.path" for name in names)


def may_start_programs(names: Iterable[str]) -> bool:
    """Tell whether dotted names are among those of what starts another program."""
    return any(name.rpartition(".")[2] in _STARTERS or name == "subprocess.run" for name in names)


def resolve_settings(settings: Settings, resolve: Callable[[str], str], found: FoundSettings) -> None:
    """Add to `found` what a scan means.

    Parameters
    ----------
    resolve
        Returns what the first part of a dotted name stands for: ``np`` -> ``numpy``.
    """
    for name, key in settings.environment:
        full = _resolved(name, resolve)
        owner = full if full in _ENVIRONMENT | _READERS else full.rpartition(".")[0]
        if owner not in _ENVIRONMENT | _READERS:
            continue
        if key is None:
            found.reads_any_variable = True
        else:
            found.variables[key] = None
    for name, key in settings.packages:
        full = _resolved(name, resolve)
        if full not in _IMPORTERS and not full.startswith(_METADATA):
            continue
        # A module may be of a package of another name.
        if key is None or full == _FINDER:
            found.asks_for_any_package = True
        elif full not in _IMPORTERS:
            found.packages[key] = None
    for name in settings.dotted:
        full = _resolved(name, resolve)
        module, _, function = full.rpartition(".")
        if full in _READERS and not name.endswith(function):
            found.reads_any_variable = True  # under another name: `from os import getenv as setting`
        if module in _RANDOM_MODULES and function not in _OWN_GENERATORS:
            found.draws = found.draws or module != "torch" or function in _TORCH_RANDOM


def _resolved(name: str, resolve: Callable[[str], str]) -> str:
    root, dot, rest = name.partition(".")
    return resolve(root) + dot + rest


def imported_names(nodes: Mapping[type[ast.AST], Iterable[Any]]) -> list[dict[str, str]]:
    """Return what the names that imports bind stand for, dotted; once more where one is several things."""
    names: dict[str, dict[str, None]] = {}
    for node in nodes.get(ast.Import, ()):
        for alias in node.names:
            top = alias.name.partition(".")[0]
            names.setdefault(alias.asname or top, {})[alias.name if alias.asname else top] = None
    for node in nodes.get(ast.ImportFrom, ()):
        if node.module and not node.level:
            for alias in node.names:
                names.setdefault(alias.asname or alias.name, {})[f"{node.module}.{alias.name}"] = None
    n_meanings = max(map(len, names.values()), default=1)
    meanings = {name: [*found] for name, found in names.items()}
    return [{name: found[i % len(found)] for name, found in meanings.items()} for i in range(n_meanings)]


def _dotted(node: ast.AST, imported: Mapping[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return imported.get(node.id, node.id)
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(imported.get(node.id, node.id))
    return ".".join(reversed(parts))


def _chain(node: ast.AST) -> Iterator[ast.AST]:
    while isinstance(node, ast.Attribute):
        yield node
        node = node.value
    yield node


def _literal(arguments: list[ast.expr]) -> str | None:
    first = arguments[0] if arguments else None
    value = first.value if isinstance(first, ast.Constant) else None
    return value if isinstance(value, str) else None
