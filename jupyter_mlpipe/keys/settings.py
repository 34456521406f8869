"""What code takes from the process around it: environment variables and global random states.

Found by the shape of the code: ``os.environ["HOME"]``, ``np.random.rand()``. The tables below say
what counts; names are resolved by the imports of the code, else by the namespace.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

# Prefix of the functions of a global random state -> its functions that do not draw from it.
RANDOM_STATES: dict[str, frozenset[str]] = {
    "numpy.random": frozenset(
        [
            "default_rng",
            "Generator",
            "RandomState",
            "SeedSequence",
            "BitGenerator",
            "PCG64",
            "PCG64DXSM",
            "MT19937",
            "Philox",
            "SFC64",
            "seed",
            "get_state",
            "set_state",
            "get_bit_generator",
            "set_bit_generator",
            "bit_generator",
            "mtrand",
            "test",
        ]
    ),
    "random": frozenset(["Random", "SystemRandom", "seed", "getstate", "setstate"]),
}
TORCH_DRAWS = frozenset(
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
    ]
)
SEEDERS: dict[str, frozenset[str]] = {
    "numpy.random": frozenset({"numpy.random.seed", "numpy.random.set_state"}),
    "random": frozenset({"random.seed", "random.setstate"}),
    "torch": frozenset({"torch.manual_seed", "torch.random.manual_seed", "torch.set_rng_state"}),
}
REMEDIES: dict[str, str] = {
    "numpy.random": "call np.random.seed(...) in this cell or use np.random.default_rng(seed)",
    "random": "call random.seed(...) in this cell or use random.Random(seed)",
    "torch": "call torch.manual_seed(...) in this cell or pass a generator",
}
_SHELL_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")
# What is said by where the notebook lies. In a module of the user's, `Path(__file__).resolve()` is no more
# than a way to find its files.
ASK_FOR_FOLDER = frozenset({"getcwd", "getcwdb", "cwd"})
MAY_ASK_FOR_FOLDER = ASK_FOR_FOLDER | {"abspath", "realpath", "resolve", "absolute"}
_ENVIRONMENT = frozenset({"os.environ", "os.environb"})
_READERS = frozenset({"os.getenv", "os.getenvb"})


@dataclass(frozen=True, slots=True)
class Settings:
    """What was found in a piece of code.

    Parameters
    ----------
    dotted
        Dotted names as written, with those that the code imports made absolute.
    environment
        Dotted name and literal key (None: not a literal) of each use that may read an environment.
    seeding
        Functions of this code that seed a random state: name -> states.
    """

    dotted: frozenset[str] = frozenset()
    environment: tuple[tuple[str, str | None], ...] = ()
    seeding: tuple[tuple[str, frozenset[str]], ...] = ()
    called: frozenset[str] = frozenset()


@dataclass(slots=True)
class FoundSettings:
    """Settings by what they mean, names resolved."""

    variables: dict[str, None] = field(default_factory=dict)
    reads_any_variable: bool = False
    drawn: dict[str, None] = field(default_factory=dict)
    seeded: set[str] = field(default_factory=set)


def scan_settings(tree: ast.AST) -> Settings:
    """Collect what may be a setting; what the names mean is said by `resolve_settings`."""
    nodes = list(ast.walk(tree))
    imported = _imported_names(nodes)
    dotted: set[str] = set()
    environment: list[tuple[str, str | None]] = []
    called: set[str] = set()
    covered: set[int] = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            name = _dotted(node.func, imported)
            if name is None and isinstance(node.func, ast.Attribute):
                called.add(node.func.attr)
            if name is not None:
                called.add(name.rpartition(".")[2])
                if name.rpartition(".")[2] in ("getenv", "getenvb", "get", "pop", "setdefault"):
                    environment.append((name, _literal(node.args)))
                    covered.update(map(id, _chain(node.func)))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # For a shell: `!echo $HOME`. Where it is no variable, it never changes either.
            environment += [("os.environ", name) for name in _SHELL_VARIABLE.findall(node.value)]
        elif isinstance(node, ast.Subscript):
            name = _dotted(node.value, imported)
            if name is not None and name.rpartition(".")[2] in ("environ", "environb"):
                if isinstance(node.ctx, ast.Load):
                    environment.append((name, _literal([node.slice])))
                covered.update(map(id, _chain(node.value)))
        elif isinstance(node, ast.Compare) and len(node.comparators) == 1:
            name = _dotted(node.comparators[0], imported)
            if name is not None and name.rpartition(".")[2] in ("environ", "environb"):
                environment.append((name, _literal([node.left])))
                covered.update(map(id, _chain(node.comparators[0])))
    for node in nodes:
        if isinstance(node, ast.Attribute | ast.Name):
            name = _dotted(node, imported)
            if name is not None:
                dotted.add(name)
                if name.rpartition(".")[2] in ("environ", "environb") and id(node) not in covered:
                    environment.append((name, None))
    seeding = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names = set(_dotted_names(node, imported))
            states = frozenset(state for state, seeders in SEEDERS.items() if names & seeders)
            if states:
                seeding.append((node.name, states))
    return Settings(frozenset(dotted), tuple(dict.fromkeys(environment)), tuple(seeding), frozenset(called))


def resolve_settings(
    settings: Settings, resolve: Callable[[str], str], found: FoundSettings, *, is_reached: bool = True
) -> None:
    """Add to `found` what a scan means.

    Parameters
    ----------
    resolve
        Returns what the first part of a dotted name stands for: ``np`` -> ``numpy``.
    is_reached
        Whether the code surely runs; only then its seeding counts.
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
    for name in settings.dotted:
        full = _resolved(name, resolve)
        for state, others in RANDOM_STATES.items():
            prefix, _, function = full.rpartition(".")
            if prefix == state and function not in others and not function.startswith("_"):
                found.drawn[state] = None
        if full.startswith("torch.") and full.removeprefix("torch.") in TORCH_DRAWS:
            found.drawn["torch"] = None
        if is_reached:
            found.seeded.update(state for state, seeders in SEEDERS.items() if full in seeders)


def _resolved(name: str, resolve: Callable[[str], str]) -> str:
    root, dot, rest = name.partition(".")
    return resolve(root) + dot + rest


def _imported_names(nodes: Iterable[ast.AST]) -> dict[str, str]:
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return names


def _dotted(node: ast.AST, imported: dict[str, str]) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    parts.append(imported.get(node.id, node.id))
    return ".".join(reversed(parts))


def _dotted_names(tree: ast.AST, imported: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        name = _dotted(node, imported) if isinstance(node, ast.Attribute | ast.Name) else None
        if name is not None:
            yield name


def _chain(node: ast.AST) -> Iterator[ast.AST]:
    while isinstance(node, ast.Attribute):
        yield node
        node = node.value
    yield node


def _literal(arguments: list[ast.expr]) -> str | None:
    first = arguments[0] if arguments else None
    value = first.value if isinstance(first, ast.Constant) else None
    return value if isinstance(value, str) else None
