"""What a cell's statements do beyond binding values, by the names that they call: for `judge` alone.

Only names are known here, never types: enough for advice, which the user reads before taking it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping

from jupyter_mlpipe.cells.mutation import MUTATING_METHODS, root_name
from jupyter_mlpipe.cells.scopes import imported_name
from jupyter_mlpipe.model.parsed import parse

WIDGETS = frozenset(
    {"ipywidgets", "widgets", "interact", "interactive", "interact_manual", "interactive_output"}
)

_WIDGET_MODULES = ("ipywidgets", "tqdm.notebook", "ipyleaflet", "anywidget")
_LIVING = ("ipywidgets", "ipyleaflet", "anywidget")  # bars are shown without being alive
_INTERACTIVE = frozenset({"input", "breakpoint", "get_ipython", "globals", "locals", "getpass", "set_trace"})

_SETTERS_TEXT = """
set_option reset_option set_theme set_style set_context set_palette set_color_codes set_printoptions
set_config filterwarnings simplefilter seed manual_seed manual_seed_all basicConfig seterr
set_default_dtype set_num_threads set_seed set_matplotlib_formats setlocale set_float_precision
setrecursionlimit setLevel disable init_notebook_mode enable set_loglevel rc
"""
_SETTERS = frozenset(_SETTERS_TEXT.split())
_SETTING_OWNERS = ("rcParams", "options", "environ", "renderers", "templates", "style", "backends")

_WRITERS_TEXT = """
to_parquet to_excel to_pickle to_feather to_hdf to_stata to_sql to_file to_zarr to_netcdf savefig
write_text write_bytes mkdir makedirs unlink rmdir touch save savez savez_compressed savetxt
save_model save_pretrained save_weights imsave imwrite write_image write_html write_csv
write_parquet extractall urlretrieve writerow writerows dump executemany commit
"""
_WRITERS = frozenset(_WRITERS_TEXT.split())
_WRITERS_WITH_PATH = frozenset({"to_csv", "to_json", "to_html", "to_latex", "to_markdown", "to_string"})
_WRITING_MODULES = {
    "os": (
        "remove",
        "unlink",
        "rename",
        "replace",
        "makedirs",
        "mkdir",
        "rmdir",
        "removedirs",
        "system",
        "chdir",
        "popen",
    ),
    "shutil": ["copy", "copy2", "copyfile", "copytree", "move", "rmtree", "make_archive", "unpack_archive"],
    "subprocess": ["run", "call", "check_call", "check_output", "Popen"],
    "requests": ["post", "put", "delete", "patch"],
}

_UNSTORABLE = {
    "open": "an open file",
    "connect": "a connection",
    "create_engine": "a connection",
    "create_connection": "a connection",
    "Client": "a client",
    "Lock": "a lock",
    "RLock": "a lock",
    "Thread": "a thread",
    "Popen": "a process",
    "ThreadPoolExecutor": "a pool of threads",
    "ProcessPoolExecutor": "a pool of processes",
    "cursor": "a connection's cursor",
    "iter": "an iterator",
}

_CHANGE_THROUGH = frozenset(
    {"execute", "executemany", "executescript", "commit", "write", "writelines", "send", "sendall"}
)

_TEMPORARY = {
    "TemporaryDirectory": "a temporary folder",
    "NamedTemporaryFile": "a temporary file",
    "TemporaryFile": "a temporary file",
}
_FILTERING = ("addFilter", "removeFilter")
_STREAMS = frozenset({"stdout", "stderr", "__stdout__", "__stderr__"})
_PLAIN_LOGGING = frozenset({"StreamHandler", "FileHandler", "NullHandler", "Formatter"})

_ENTERS = frozenset({"__enter__", "enter_context"})
_LEAVES = {"__exit__", "__aexit__", "close", "aclose"}
_REGISTERS_MAGICS = re.compile(
    r"\bregister_(?:line|cell|line_cell)_magic\b|\.register_(?:magics|magic_function)\b|\bmagics_class\b"
)

_STARTS_TASK = frozenset({"create_task", "ensure_future", "get_running_loop", "run_coroutine_threadsafe"})
_RUNS_LOOP = frozenset({"run", "run_until_complete", "run_forever"})

_FIGURES_TEXT = """
subplots figure gca gcf subplot add_subplot add_axes twinx twiny colorbar plot hist bar barh scatter
imshow boxplot violinplot heatmap pairplot catplot relplot displot jointplot lmplot FacetGrid
PairGrid countplot barplot lineplot scatterplot histplot kdeplot regplot legend subplot_mosaic pie
contour contourf
"""
_FIGURES = frozenset(_FIGURES_TEXT.split())


def widget_imports(tree: ast.Module) -> set[str]:
    """Return the names that the cell imports from libraries of widgets."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_WIDGET_MODULES):
            found |= {imported_name(alias) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {imported_name(a) for a in node.names if a.name.startswith(_WIDGET_MODULES)}
    return found


def makes_widgets(code: str, imports: Mapping[str, str]) -> bool:
    """Tell whether code uses what makes live widgets; `imports` gives the module that each name is from."""
    names = {name for name, module in imports.items() if module.partition(".")[0] in _LIVING}
    if not names and not any(module in code for module in _LIVING):
        return False
    tree = parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in _LIVING:
            names |= {imported_name(alias) for alias in node.names}
        elif isinstance(node, ast.Import):
            names |= {imported_name(a) for a in node.names if a.name.partition(".")[0] in _LIVING}
    return any(isinstance(node, ast.Name) and node.id in names for node in ast.walk(tree))


def starts_tasks(code: str) -> bool:
    """Tell whether a cell itself starts tasks in the loop that a kernel has running, and runs no other."""
    if not any(word in code for word in _STARTS_TASK):
        return False
    called = {last_word(node.func) for node in _outside_functions(code) if isinstance(node, ast.Call)}
    return bool(called & _STARTS_TASK) and not called & _RUNS_LOOP


def enters_contexts(code: str) -> bool:
    """Tell whether a cell itself enters contexts that a later one leaves: beyond its `with` statements."""
    return any(word in code for word in _ENTERS) and _enters(list(_outside_functions(code)))


def lets_enter_contexts(code: str, counts: Callable[[str], bool]) -> bool:
    """Tell whether a function of a cell enters contexts for its caller to leave.

    Parameters
    ----------
    counts
        Which of them are looked at, by name.
    """
    if not any(word in code for word in _ENTERS):
        return False
    for function in parse(code).body:
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) and counts(function.name):
            found = list(ast.walk(function))
            called = {last_word(node.func) for node in found if isinstance(node, ast.Call)}
            if not called & _LEAVES and _enters(found):
                return True
    return False


def _enters(found: list[ast.AST]) -> bool:
    left = {
        item.optional_vars.id
        for node in found
        if isinstance(node, ast.With | ast.AsyncWith)
        for item in node.items
        if isinstance(item.optional_vars, ast.Name)
    }
    return any(
        isinstance(node, ast.Call) and last_word(node.func) in _ENTERS and root_name(node.func) not in left
        for node in found
    )


def registers_magics(code: str) -> bool:
    """Tell whether a cell gives IPython magics."""
    return _REGISTERS_MAGICS.search(code) is not None


def _outside_functions(code: str) -> Iterator[ast.AST]:
    """Yield what of a cell runs with it, and not only when a function is called."""
    pending: list[ast.AST] = [parse(code)]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            pending.extend(ast.iter_child_nodes(node))


def interactive(tree: ast.Module, widgets: set[str]) -> str | None:
    """Return the first name that needs the kernel or the user: ``input``, a widget."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in widgets:
            return f"widgets ({node.id})"
        if isinstance(node, ast.Call) and last_word(node.func) in _INTERACTIVE:
            return f"{last_word(node.func)}()"
    return None


def outside_change(tree: ast.Module) -> str | None:
    """Return the first call that writes a file, starts a program or sends something."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        word, owner = last_word(node.func), _owner(node.func)
        if word == "open" and _mode(node) & set("wax+"):
            return "open(…) to write"
        if word in _WRITING_MODULES.get(owner or "", ()):
            return f"{owner}.{word}"
        if not isinstance(node.func, ast.Attribute):
            continue
        has_path = any(not _is_none(argument) for argument in node.args) or any(
            keyword.arg in ("path_or_buf", "path", "buf") for keyword in node.keywords
        )
        if word in _WRITERS or (word in _WRITERS_WITH_PATH and has_path):
            return word
    return None


def unstorable(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield names assigned what cannot be stored, by the look of it, each with what it is."""
    for node in tree.body:
        if not isinstance(node, ast.Assign):
            continue
        what = "a generator" if isinstance(node.value, ast.GeneratorExp) else None
        if isinstance(node.value, ast.Call):
            what = _UNSTORABLE.get(last_word(node.value.func))
        if what is not None:
            for target in node.targets:
                if isinstance(target, ast.Name):
                    yield target.id, what


def changed_through(code: str) -> dict[str, str]:
    """Return those of `unstorable` that are left open, and through which something outside is changed.

    To make one of them again would change that twice; a file that is written anew is the same then.
    """
    if not any(f".{method}(" in code for method in _CHANGE_THROUGH):
        return {}
    tree = parse(code)
    methods: dict[str, set[str]] = {}
    appends = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            methods.setdefault(root_name(node.func) or "", set()).add(node.func.attr)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Call)
            and _mode(node.value) & set("ax+")
        ):
            appends |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {
        name: what
        for name, what in unstorable(tree)
        if methods.get(name, set()) & _CHANGE_THROUGH
        and "close" not in methods[name]
        and (what != _UNSTORABLE["open"] or name in appends)
    }


def temporary(code: str) -> Iterator[tuple[str, str]]:
    """Yield names assigned temporary files and folders that are removed with them, each with what it is."""
    if not any(word in code for word in _TEMPORARY):
        return
    for node in parse(code).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            word = last_word(node.value.func)
            if word in _TEMPORARY and not any(
                k.arg and k.arg.startswith("delete") for k in node.value.keywords
            ):
                names = (target.id for target in node.targets if isinstance(target, ast.Name))
                yield from ((name, _TEMPORARY[word]) for name in names)


def changes_logging(code: str, counts: Callable[[str], bool] | None = None) -> bool:
    """Tell whether code changes filters of logs, or gives handlers or formatters beyond the plain ones.

    Parameters
    ----------
    counts
        Which of its functions and classes are looked at, by name; without, all of the code is.
    """
    if not any(word in code for word in ("addHandler", "handlers", *_FILTERING)):
        return False
    tree = parse(code)
    if counts is not None:
        kinds = (ast.FunctionDef, ast.ClassDef)
        tree = ast.Module([n for n in tree.body if isinstance(n, kinds) and counts(n.name)], [])
    plain = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_plain(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        word = last_word(node.func)
        if word in _FILTERING:
            return True
        given = list(node.args) if word in ("addHandler", "setFormatter") else []
        if word == "basicConfig":
            lists = [k.value for k in node.keywords if k.arg == "handlers"]
            given = [e for found in lists for e in (found.elts if isinstance(found, ast.List) else [found])]
        if not all(_is_plain(value, plain) for value in given):
            return True
    return False


def _is_plain(value: ast.expr, names: set[str]) -> bool:
    if isinstance(value, ast.Name):
        return value.id in names
    if not isinstance(value, ast.Call) or last_word(value.func) not in _PLAIN_LOGGING:
        return False
    given = [*value.args, *(keyword.value for keyword in value.keywords)]
    return last_word(value.func) != "StreamHandler" or all(last_word(to) in _STREAMS for to in given)


def figure_names(tree: ast.Module) -> set[str]:
    """Return names assigned figures, axes and what is drawn on them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if last_word(node.value.func) not in _FIGURES:
                continue
            for target in node.targets:
                found |= {part.id for part in ast.walk(target) if isinstance(part, ast.Name)}
    return found


def counters(tree: ast.Module) -> set[str]:
    """Return the names that loops bind in passing, and nothing else does."""
    loops = [node.target for node in ast.walk(tree) if isinstance(node, ast.For | ast.AsyncFor)]
    passing = [part for target in loops for part in ast.walk(target) if isinstance(part, ast.Name)]
    assigned = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node not in passing
    }
    return {part.id for part in passing} - assigned


def drawn_on(tree: ast.Module) -> set[str]:
    """Return the names on which methods are called that draw, and none that changes its object."""
    called: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called.setdefault(root_name(node.func) or "", set()).add(node.func.attr)
    return {name for name, methods in called.items() if methods & _FIGURES and not _changes(methods)}


def _changes(methods: set[str]) -> bool:
    return bool((methods & MUTATING_METHODS) - _FIGURES)


def is_setting(node: ast.stmt) -> bool:
    """Tell whether a statement only sets an option of a library, a seed or the environment."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        function = node.value.func
        word = last_word(function)
        if word in _SETTERS:
            return True
        is_module = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
        if word == "set" and is_module and root_name(function) in ("sns", "seaborn"):
            return True
        return word in ("use", "update", "setdefault", "append", "insert", "enable") and any(
            owner in _words(function) for owner in (*_SETTING_OWNERS, "matplotlib", "mpl", "path")
        )
    if isinstance(node, ast.Assign):
        return all(
            isinstance(target, ast.Attribute | ast.Subscript)
            and any(owner in _words(target) for owner in _SETTING_OWNERS)
            for target in node.targets
        )
    return False


def last_word(function: ast.expr) -> str:
    """Return ``fit`` for ``model.fit`` and for ``fit``."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _owner(function: ast.expr) -> str | None:
    return root_name(function) if isinstance(function, ast.Attribute) else None


def _words(node: ast.expr) -> set[str]:
    found = {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return found | {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _mode(call: ast.Call) -> set[str]:
    given = [keyword.value for keyword in call.keywords if keyword.arg == "mode"]
    position = 0 if isinstance(call.func, ast.Attribute) and _owner(call.func) not in ("gzip", "io") else 1
    given += call.args[position : position + 1]
    return {
        letter
        for node in given
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 4
        for letter in node.value
    }


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
