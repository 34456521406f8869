"""What a cell reads, binds, deletes and changes."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import dedent

import pytest

from jupyter_mlpipe.cells.names import Names, analyse


def names_in(code: str) -> Names:
    return analyse(dedent(code))


READS = {
    "plain": ("y = x + 1", "x"),
    "bound before": ("x = 1; y = x", ""),
    "assigned from itself": ("df = clean(df)", "clean df"),
    "target after value": ("a, (b, *c) = a, d", "a d"),
    "augmented": ("total += 1", "total"),
    "augmented after binding": ("total = 0; total += n", "n"),
    "annotated without value": ("x: int\ny = x", "x"),
    "annotation is evaluated": ("x: Money = 1", "Money"),
    "annotation under the future import": ("from __future__ import annotations\nx: Money = 1", ""),
    "list comprehension": ("y = [f(i) for i in xs if i > low]", "f xs low"),
    "dict comprehension": ("y = {k: v + w for k, v in pairs}", "w pairs"),
    "first iterable is outside": ("y = [x for x in x]", "x"),
    "second iterable is inside": ("y = [b for a in rows for b in a]", "rows"),
    "comprehension target is not bound": ("y = [i for i in xs]\ni", "xs i"),
    "generator": ("y = sum(i * k for i in xs)", "k xs"),
    "nested comprehension": ("y = [[a * b for a in row] for row in rows]", "b rows"),
    "walrus": ("if (n := count(x)) > 1: y = n", "count x"),
    "walrus in comprehension": ("y = [t := t + v for v in vs]", "t vs"),
    "walrus with and": ("if (a := f(x)) and (b := g(a)): y = b", "f x g"),
    "walrus with not": ("while not (a := f()): pass\ny = a", "f"),
    "lambda": ("f = lambda a, *b, c=d: a + b + c + e", "d e"),
    "function": ("def f(a, b=c): return a + b + g", "c g"),
    "function bound later": ("def f(): return g\ng = 1", ""),
    "function used before its global": ("def f(): return g\ny = f()\ng = 1", "g"),
    "function used after its global": ("def f(): return g\ng = 1\ny = f()", ""),
    "helper further down": ("def f(): return g()\ny = map(f, xs)\ndef g(): pass", "xs"),
    "base class with a later global": ("class A:\n    def f(self): return K\nclass B(A): pass\nK = 1", ""),
    "through another function": ("def f(): return h()\ndef h(): return g\ny = f()\ng = 1", "g"),
    "nested function": ("def f(a):\n    def g(b): return a + b + c\n    return g", "c"),
    "nonlocal": ("def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += k\n    return g", "k"),
    "local of a function": ("def f():\n    x = 1\n    return x", ""),
    "global read": ("def f():\n    global n\n    n += 1", ""),
    "decorator": ("@cached(size)\ndef f(): pass", "cached size"),
    "function annotations": ("def f(a: A) -> B: pass", "A B"),
    "class bases": ("class C(Base, metaclass=Meta): pass", "Base Meta"),
    "class body reads at once": ("class C:\n    n = m\n    k = n", "m"),
    "class body name not bound yet": ("class C:\n    x = x", "x"),
    "methods do not see the class": ("class C:\n    n = 1\n    def f(self): return n", "n"),
    "class comprehension": ("class C:\n    n = 1\n    k = [n for _ in range(2)]", "n"),
    "super": ("class C:\n    def f(self): return __class__, self", ""),
    "class in function": (
        "def f(a):\n    class C(B):\n        def g(self): return a, q\n    return C",
        "B q",
    ),
    "del": ("x = 1\ndel x\ny = x", "x"),
    "del of an outer name": ("del big", "big"),
    "for": ("for i, (a, b) in rows: y = i + a + b", "rows"),
    "for, previous value": ("for i in xs:\n    y = last\n    last = i", "xs last"),
    "for over nothing": ("for i in xs: y = i\nz = y", "xs y"),
    "for over a list": ("for i in [1, 2]: y = i\nz = y", ""),
    "for else": ("for i in xs:\n    if i: break\nelse:\n    i = 0\ny = i", "xs"),
    "while": ("while go: y = 1\nz = y", "go y"),
    "while true": ("while True:\n    y = f()\n    if y: break\nz = y", "f"),
    "while true, continue": ("while True:\n    if f(): continue\n    y = 1\n    break\nz = y", "f"),
    "if in one branch": ("if c: x = 1\ny = x", "c x"),
    "if in both branches": ("if c: x = 1\nelse: x = 2\ny = x", "c"),
    "if with a raising branch": ("if c: x = 1\nelse: raise E\ny = x", "c E"),
    "if true": ("if True: x = 1\ny = x", ""),
    "conditional expression": ("y = a if c else b", "a c b"),
    "try": ("try: x = f()\nexcept E: x = 0\ny = x", "f E"),
    "try without value": ("try: x = f()\nexcept E: pass\ny = x", "f E x"),
    "try reraised": ("try: x = f()\nexcept E: raise\ny = x", "f E"),
    "handler reads the body": ("try: x = f()\nexcept E: y = x", "f E x"),
    "except as": ("try: f()\nexcept E as e: g(e)\ne", "f E g e"),
    "except star": ("try: f()\nexcept* E as e: g(e)", "f E g"),
    "try else": ("try: x = f()\nexcept E: y = 0\nelse: y = x", "f E"),
    "finally": ("try: x = f()\nfinally: z = 1\ny = x + z", "f"),
    "finally reads the body": ("try: x = f()\nfinally: g(x)", "f g x"),
    "with": ("with open(p) as f, g(f) as (a, b): y = a + b", "p g"),
    "with suppress": ("with suppress(E): x = f()\ny = x", "suppress E f x"),
    "match": (
        "match v:\n    case {'k': a, **rest}: y = a, rest\n    case P(q, r=r) | [q, r]: y = q\n"
        "    case [x, *xs] if x > lim: y = xs\n    case C.K: y = 0\n    case z: y = z\nw = y",
        "v P lim C",
    ),
    "match without a last case": ("match v:\n    case 1: y = 1\nz = y", "v y"),
    "import": ("import a.b, c.d as e\nfrom f import g, h as i\nx = a, e, g, i", ""),
    "f-string": ("y = f'{a!r:>{width}} {f(\"b\")} {{no}}'", "a width f"),
    "nested f-string": ("y = f\"{f'{a}' + b}\"", "a b"),
    "chained comparison": ("y = a < (b := c) < d\nz = b", "a c d"),
    "global at top level": ("global x\ny = x", "x"),
    "assert": ("assert (n := f(x)), msg\ny = n", "f x msg"),
    "slice": ("y = x[a:b, ::c]", "x a b c"),
    "starred": ("f(*args, **kw)", "f args kw"),
    "await": ("y = await fetch(url)", "fetch url"),
    "dunder": ("if __name__ == '__main__': y = __file__", "__file__"),
}


@pytest.mark.parametrize(("code", "expected"), READS.values(), ids=READS.keys())
def test_reads_are_names_that_may_come_from_outside(code: str, expected: str) -> None:
    assert names_in(code).reads == tuple(expected.split())


BINDS = {
    "assignment": ("a = b = 1; c, (d, *e) = x", "a b c d e"),
    "augmented": ("x += 1", "x"),
    "annotated": ("x: int = 1; y: int", "x"),
    "attributes bind nothing": ("x.a = 1; y[0] = 2", ""),
    "walrus in comprehension": ("[t := i for i in xs]", "t"),
    "for": ("for i in xs: y = i", "i y"),
    "with": ("with f() as g: pass", "g"),
    "except": ("try: f()\nexcept E as e: pass", ""),
    "except in a loop": ("for i in xs:\n    try: f()\n    except E as e: pass", "i"),
    "branch": ("if c: x = 1", "x"),
    "del": ("x = 1; y = 2; del x", "y"),
    "del in a loop": ("for i in xs:\n    t = i\n    del t", "i"),
    "del in a branch": ("x = 1\nif c: del x", "x"),
    "bound again": ("x = 1; del x; x = 2", "x"),
    "global in function": ("def f():\n    global n\n    n = 1", "n f"),
    "class body": ("class C:\n    n = 1", "C"),
    "global in class": ("class C:\n    global n\n    n = 1", "n C"),
    "match": ("match v:\n    case [a, *b]: pass\n    case {'k': c, **d} as e: pass", "a b e c d"),
    "import": ("import a.b\nimport c.d as e\nfrom f import g as h", "a e h"),
}


@pytest.mark.parametrize(("code", "expected"), BINDS.values(), ids=BINDS.keys())
def test_binds_are_names_that_the_end_may_find_bound(code: str, expected: str) -> None:
    assert sorted(names_in(code).binds) == sorted(expected.split())


CHANGES = {
    "item": ("df['x'] = 1", "df"),
    "attribute": ("x.a.b = 1", "x"),
    "augmented item": ("x[0] += 1", "x"),
    "chain": ("df.loc[m, 'a'] = 1", "df"),
    "item of attribute": ("model.steps[0].x = 1", "model"),
    "del item": ("del x[0]", "x"),
    "del attribute": ("del x.a", "x"),
    "tuple target": ("a, x[0], (y.b, *z[1:]) = v", "x y z"),
    "for target": ("for x[0] in xs: pass", "x"),
    "with target": ("with f() as x.a: pass", "x"),
    "inplace": ("df.drop(columns=c, inplace=True)", "df"),
    "inplace false": ("df.drop(columns=c, inplace=False)", ""),
    "alias": ("y = x; y['a'] = 1", "x"),
    "alias of an alias": ("y = x; z = y; z['a'] = 1", "x"),
    "alias bound anew": ("y = x; y = {}; y['a'] = 1", ""),
    "own object": ("x = {}; x['a'] = 1", ""),
    "copy": ("df = df.copy(); df['a'] = 1", ""),
    "bound in a branch": ("if c: x = {}\nx['a'] = 1", "x"),
    "called function": ("def f(): df['x'] = 1\nf()", "df"),
    "argument of a function": ("def f(df): df['x'] = 1\nf(df)", ""),
    "local of a function": ("def f():\n    df = {}\n    df['x'] = 1\nf()", ""),
    "class body": ("class C:\n    df['x'] = 1", "df"),
    "class's own": ("class C:\n    df = {}\n    df['x'] = 1", ""),
    "comprehension target": ("y = [r.update(a=1) for r in rows]", ""),
    "annotated attribute": ("x.a: int = 1\ny.b: int", "x"),
}


@pytest.mark.parametrize(("code", "expected"), CHANGES.values(), ids=CHANGES.keys())
def test_changes_in_place_are_found_on_names_from_outside(code: str, expected: str) -> None:
    assert names_in(code).changes == tuple(expected.split())


MAY_CHANGE = {
    "method": ("model.fit(X, y)", "model"),
    "method in an assignment": ("m = model.fit(X, y)", "model"),
    "method of a part": ("x.a.append(1); y.loc[0].pop()", "x y"),
    "usual method that reads": ("y = df.mean()", ""),
    "inplace by a flag": ("df.drop(columns=c, inplace=flag)", "df"),
    "shuffle": ("random.shuffle(x)", "random x"),
    "heap": ("heapq.heappush(h, 1)", "h"),
    "numpy": ("np.random.shuffle(x)", "np x"),
    "setattr": ("setattr(x, 'a', 1)", "x"),
    "next": ("y = next(it)", "it"),
    "generator": ("y = rng.normal(size=3)", "rng"),
    "own object": ("xs = []; xs.append(1)", ""),
    "through a call": ("make().append(1)", ""),
    "alias": ("y = x; y.append(1)", "x"),
    "augmented alias": ("y = x; y += [1]", "x"),
    "lambda": ("df.apply(lambda r: seen.append(r))", "seen"),
    "function that is not called": ("def f(): seen['a'] = 1", "seen"),
    "certain ones are not repeated": ("x['a'] = 1; x.update(b=2)", ""),
}


@pytest.mark.parametrize(("code", "expected"), MAY_CHANGE.values(), ids=MAY_CHANGE.keys())
def test_calls_that_usually_change_their_object_are_found(code: str, expected: str) -> None:
    assert names_in(code).may_change == tuple(expected.split())


def test_reads_that_the_cell_may_have_bound_itself_are_marked() -> None:
    names = names_in("for i in xs:\n    loss = i\nprint(loss)")
    assert names.reads == ("xs", "loss")
    assert names.may_read == ("loss",)


def test_a_read_certain_in_one_place_is_not_marked() -> None:
    assert names_in("y = x\nif c: x = 1\nz = x").may_read == ()


def test_asking_whether_there_is_a_name_is_marked() -> None:
    names = names_in("try: seen\nexcept NameError: seen = {}")
    assert (names.reads, names.may_read) == (("seen",), ("seen",))


def test_previous_value_in_a_loop_is_marked() -> None:
    assert names_in("for i in xs:\n    if i: y = last\n    last = i").may_read == ("last",)


def test_after_a_star_import_any_unknown_read_may_come_from_it() -> None:
    names = names_in("y = a\nfrom .math import *\nz = sin(a) + pi")
    assert names.star_imports == (".math",)
    assert names.reads == ("a", "sin", "pi")
    assert names.may_read == ("sin", "pi")


def test_builtins_are_told_apart_and_all_reads_keep_their_order() -> None:
    names = names_in("y = sum(xs)\ndisplay(id, z)")
    assert names.reads == ("xs", "z")
    assert names.builtins_read == ("sum", "display", "id")
    assert names.all_reads == ("sum", "xs", "display", "id", "z")


def test_a_builtin_that_the_cell_binds_is_not_read() -> None:
    assert names_in("input = 1\ny = input").builtins_read == ()


@pytest.mark.parametrize(
    ("code", "deletes"),
    [
        ("del big", ("big",)),
        ("del a, b\nb = 1", ("a",)),
        ("x = 1\ndel x", ("x",)),
        ("del x[0]", ()),
        ("def f():\n    x = 1\n    del x", ()),
    ],
)
def test_deletes_are_names_gone_at_the_end(code: str, deletes: tuple[str, ...]) -> None:
    assert names_in(code).deletes == deletes


def test_definitions_carry_source_with_decorators_and_line() -> None:
    names = names_in(
        """\
        import a.b as c, d
        from e import f

        @cached
        def g(x):
            return x

        if flag:
            class H:
                '''Text.'''
        """
    )
    assert [(d.name, d.kind, d.line) for d in names.definitions] == [
        ("c", "import", 1),
        ("d", "import", 1),
        ("f", "import", 2),
        ("g", "function", 4),
        ("H", "class", 9),
    ]
    assert names.definitions[0].source == "import a.b as c, d"
    assert names.definitions[3].source == "@cached\ndef g(x):\n    return x"
    assert names.definitions[4].source == "class H:\n    '''Text.'''"


def test_a_definition_on_a_shared_line_is_cut_out() -> None:
    assert [d.source for d in names_in("x = 'é'; import a; import b").definitions] == ["import a", "import b"]


def test_a_fallback_of_none_leaves_an_import_an_import() -> None:
    names = names_in("try: import cupy\nexcept ImportError: cupy = None\nbest = None")
    assert [d.name for d in names.definitions] == ["cupy"]
    assert names.binds == ("cupy", "best")


def test_a_function_bound_to_another_value_is_no_definition() -> None:
    assert names_in("def f(): pass\nf = wrap(f)").definitions == ()


def test_string_at_the_margin_keeps_an_indented_definition_whole() -> None:
    code = "if c:\n    def f():\n        return '''a\nb'''\n"
    (definition,) = analyse(code).definitions
    scope: dict[str, object] = {}
    exec(definition.source, scope)
    assert scope["f"]() == "a\nb"  # type: ignore[operator]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("x", True),
        ("x;", False),
        ("x ;  # quiet", False),
        ("(x\n);", False),
        ("(x);", False),
        ("x  # loud;", True),
        ("';'", True),
        ("'é';", False),
        ("None", False),
        ("x = 1", False),
        ("x = 1; y", True),
        ("if c: x", False),
        ("", False),
        ("f(\n  1,\n)\n\n", True),
    ],
)
def test_last_expression_is_shown_unless_silenced(code: str, shown: bool) -> None:
    assert analyse(code).last_is_expression is shown


@pytest.mark.parametrize(
    ("code", "awaits"),
    [
        ("await f()", True),
        ("async for x in y: pass", True),
        ("async with x: pass", True),
        ("y = [i async for i in x]", True),
        ("y = [await i for i in x]", True),
        ("async def f(): await g()", False),
        ("x = 1", False),
    ],
)
def test_top_level_await_is_noticed(code: str, awaits: bool) -> None:
    assert analyse(code).awaits is awaits


def test_lines_are_those_of_the_first_read_and_the_first_change() -> None:
    names = analyse("\n\ny = x\nx['a'] = y\nz = x")
    assert dict(names.lines) == {"x": 3}
    assert dict(names.change_lines) == {"x": 4}


@pytest.mark.parametrize(
    ("code", "line"), [("\nx = (", 2), ("\n\nreturn 1", 3), ("break", 1), ("\nyield 1", 2)]
)
def test_syntax_errors_carry_the_line(code: str, line: int) -> None:
    with pytest.raises(SyntaxError) as caught:
        analyse(code, filename="Cell 3")
    assert (caught.value.lineno, caught.value.filename) == (line, "Cell 3")


def test_code_that_warns_when_compiled_is_analysed_quietly() -> None:
    assert analyse("y = x is 1\nz = '\\d'").reads == ("x",)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="type parameters came with Python 3.12")
@pytest.mark.parametrize(
    ("code", "reads"),
    [
        ("def f[T: Bound](a: T) -> Out: return a, g", "Out Bound g"),
        ("class C[T](Base[T]):\n    def m(self, a: T) -> T: return k", "Base k"),
        ("type Pair[T] = tuple[T, Other]", "Other"),
    ],
)
def test_type_parameters_are_names_of_their_own(code: str, reads: str) -> None:
    assert set(analyse(code).reads) == set(reads.split())


# These put names into their globals in ways that no text shows.
BIND_UNSEEN = {"calendar.py", "inspect.py", "plistlib.py", "ssl.py", "turtle.py"}


def test_modules_of_the_standard_library_read_nothing_from_outside() -> None:
    library = Path(sys.base_prefix, "lib", f"python3.{sys.version_info[1]}")
    files = [*library.glob("*.py"), *library.glob("[a-e]*/*.py"), *library.glob("json/*.py")]
    assert len(files) > 300
    from_outside = {}
    for file in files:
        try:
            code = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        names = analyse(code, filename=str(file))
        certain = set(names.reads) - set(names.may_read) - {"__file__", "__path__", "WindowsError"}
        if certain and file.name not in BIND_UNSEEN:
            from_outside[str(file)] = certain
    assert from_outside == {}


def test_a_long_sum_does_not_exhaust_the_stack() -> None:
    assert analyse("y = " + " + ".join(f"x{i}" for i in range(600))).reads[-1] == "x599"


def test_a_class_that_a_call_makes_is_a_definition() -> None:
    code = (
        "Pair = namedtuple('Pair', ['a', 'b'])\n"
        "Data = dataclasses.make_dataclass('Data', [('x', int)])\n"
        "Kind = type('Kind', (), {})\n"
    )
    names = analyse(code)
    assert [(d.name, d.kind) for d in names.definitions] == [
        ("Pair", "class"),
        ("Data", "class"),
        ("Kind", "class"),
    ]


@pytest.mark.parametrize(
    "code",
    [
        "Pair = namedtuple('Other', 'a b')",
        "Pair = namedtuple('Pair', fields)",
        "Pair = make('Pair', 'a')",
        "t = type(5)",
    ],
)
def test_what_other_calls_make_is_a_value(code: str) -> None:
    assert analyse(code).definitions == ()


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("for row in rows: row['b'] = 1", ("rows",)),
        ("for i, row in enumerate(rows): row.b = i", ("rows",)),
        ("for key, row in table.items(): row['b'] = key", ("table",)),
        ("for row in table.values(): row['b'] = 1", ("table",)),
        ("for a, b in zip(ones, others): b[0] = a", ("others",)),
        ("for row in reversed(rows.part): row[0] = 1", ("rows",)),
        ("for row in rows:\n    row = dict(row)\n    row['b'] = 1", ()),
        ("for row in rows: total[row] = 1", ("total",)),
        ("for row in make(rows): row['b'] = 1", ()),
    ],
)
def test_a_change_of_an_item_in_a_loop_changes_what_is_gone_through(
    code: str, changed: tuple[str, ...]
) -> None:
    assert analyse(code).changes == changed


def test_what_a_function_reads_that_the_cell_does_not_use_may_come_later() -> None:
    names = analyse("def later(): return not_there\ndef now(): return needed\nx = now()")
    assert set(names.reads) == {"not_there", "needed"}
    assert names.may_read == ("not_there",)


def test_an_import_with_a_way_out_is_one_definition() -> None:
    code = "try:\n    import cupy as np\nexcept ImportError:\n    np = None"
    (definition,) = analyse(code).definitions
    assert (definition.name, definition.source) == ("np", code)


def test_code_may_nest_as_deeply_as_python_compiles_it():
    names = analyse("total = " + " + ".join(["part"] * 900) + "\ndef f(x): return x" + ".a()" * 400)
    assert names.reads == ("part",)
    assert names.binds == ("total", "f")
