"""Short notebooks that teach Python's classes and functions; the form is that of `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "definitions that say when they are made": r"""
# %%
class Meta(type):
    def __new__(mcls, name, bases, ns, **options):
        print("creating", name, options)
        return super().__new__(mcls, name, bases, ns)
    def __init__(cls, name, bases, ns, **options):
        print("initialising", name)
        super().__init__(name, bases, ns)
    def __call__(cls, *args):
        print("calling", cls.__name__)
        return super().__call__(*args)
# %%
class Foo(metaclass=Meta, size=3):
    print("in the body")
    x = 1
# %%
f = Foo()
# %%
class Bar(Foo): pass
type(Foo) is Meta, type(f) is Foo, Bar().x
# %%
class Base:
    def __init_subclass__(cls, *, kind, **options):
        super().__init_subclass__(**options)
        print("subclass", cls.__name__, kind)
        cls.kind = kind
class A(Base, kind="a"): pass
# %%
a = A()
# %%
def loud(f):
    print("decorating", f.__name__)
    return f
@loud
def g(): return 5
# %%
isinstance(a, Base), a.kind, g()
# %%
print(A.kind, g())
""",
    "classes with slots": r"""
# %%
class Point:
    __slots__ = ("x", "__hidden")
    def __init__(self, x):
        self.x, self.__hidden = x, 1
    def hidden(self): return self.__hidden
class Named(Point):
    __slots__ = "name"
p = Point(1)
# %%
n = Named(2); n.name = "n"
# %%
p.other = 3
# %%
p.x, p.hidden(), n.x, n.name, hasattr(n, "__dict__"), Point.__slots__
# %%
p.x += 1
try: n.wrong = 1
except AttributeError as e: print(e)
# %%
p.x, p.hidden()
""",
}
