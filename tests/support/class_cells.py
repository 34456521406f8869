"""Short notebooks that teach Python's classes and functions; the form is that of `plain_cells`."""

from __future__ import annotations

NOTEBOOKS: dict[str, str] = {
    "annotations that an earlier cell has Python not evaluate": r"""
# %% plain
from __future__ import annotations
# %%
class Node:
    def __init__(self, after: Node | None = None): self.after = after
    def next(self) -> Node: return self.after
last = Node()
# %%
first = Node(last)
def count(x: Nowhere) -> Neither: return 1
n = count(first)
# %% plain
print(first.next() is last, isinstance(last, Node), n, count.__annotations__, Node.next.__annotations__)
# %%
print(first.next() is last, isinstance(first, Node), n, count.__annotations__, Node.next.__annotations__)
""",
    "annotations that are not evaluated from a component on": r"""
# %%
from __future__ import annotations
class Node:
    def next(self) -> Node: return self
one = Node()
# %% plain
def count(x: Nowhere) -> Neither: return 1
print(count(1), one.next() is one, Node.next.__annotations__)
# %%
def twice(x: Nowhere) -> Neither: return 2 * x
print(twice(count(1)), twice.__annotations__, one.next() is one)
""",
    "classes that their base knows": r"""
# %%
class Plugin:
    names = []
    def __init_subclass__(cls):
        Plugin.names.append(cls.__name__)
def found():
    return [c.__name__ for c in Plugin.__subclasses__()]
# %%
class Csv(Plugin): pass
class Json(Plugin): pass
# %%
[c.__name__ for c in Plugin.__subclasses__()], Plugin.names
# %%
found()
""",
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
    "a class that changes together with a value": r"""
# %%
class Rates:
    top = 9
    seen = []
log = []
def note(x):
    log.append(x)
# %%
note(3)
Rates.top = 8
Rates.seen.append(1)
# %%
Rates.top, Rates.seen, log
# %%
note(4)
Rates.seen.append(2)
# %%
Rates.top, Rates.seen, log
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
    "class attributes": r"""
# %%
class Account:
    count = 0
    all_accounts = []
    def __init__(self, owner): self.owner = owner; Account.count += 1; type(self).all_accounts.append(owner)
    @classmethod
    def n(cls): return cls.count
# %%
a = Account("Ann")
# %%
Account.count, Account.all_accounts, Account.n()
# %%
b = Account("Bob")
Account.rate = 0.5
# %%
print(Account.count, Account.all_accounts, a.rate, Account.rate)
# %%
def total(self): return len(self.owner)
Account.total = total
Account.twice = lambda self: self.owner * 2
a.total(), a.twice()
# %%
b.total(), a.twice(), Account.rate
# %%
del Account.rate
# %%
hasattr(a, "rate"), hasattr(Account, "count")
# %%
Account.count = 100
c = Account("C")
# %%
Account.count, vars(c), sorted(k for k in vars(Account) if not k.startswith("__"))
""",
    "registries filled by definitions": r"""
# %%
class Plugin:
    registry = {}
    def __init_subclass__(cls, **kw):
        super().__init_subclass__(**kw)
        Plugin.registry[cls.__name__] = cls
# %%
class A(Plugin): pass
class B(Plugin):
    def run(self): return "b"
# %%
sorted(Plugin.registry)
# %%
Plugin.registry["B"]().run(), Plugin.registry["A"] is A
# %%
class C(A): pass
# %%
print(list(Plugin.registry), Plugin.registry["C"].__mro__[1] is A)
# %%
REG = {}
def register(f):
    print("registering", f.__name__)
    REG[f.__name__] = f
    return f
# %%
@register
def hello(): return "hello"
@register
def bye(): return "bye"
# %%
sorted(REG), REG["hello"]() , hello(), REG["hello"] is hello
# %%
@register
def third(): return 3
# %%
print(list(REG), third())
""",
    "defaults and attributes of functions": r"""
# %%
def grow(x, acc=[]):
    acc.append(x)
    return acc
# %%
grow(1)
# %%
grow(2)
# %%
print(grow(3), grow.__defaults__)
# %%
def calls():
    calls.n += 1
    return calls.n
calls.n = 0
# %%
calls(); calls()
# %%
calls.n
# %%
calls(), calls.n
# %%
import functools
def count_calls(f):
    @functools.wraps(f)
    def wrapper(*a, **k):
        wrapper.n += 1
        return f(*a, **k)
    wrapper.n = 0
    return wrapper
@count_calls
def greet(name="x"):
    "Greets."
    return "hi " + name
# %%
greet(); greet("you")
# %%
greet.n, greet.__name__, greet.__doc__
# %%
greet(); print(greet.n)
# %%
greet.n
""",
    "abstract classes and functions that choose by type": r"""
# %%
from abc import ABC, abstractmethod
from functools import singledispatch
class Shape(ABC):
    @abstractmethod
    def area(self): ...
class Square(Shape):
    def __init__(self, s): self.s = s
    def area(self): return self.s ** 2
@Shape.register
class Virtual: pass
@singledispatch
def show(x): return "object"
@show.register
def _(x: int): return "int"
# %%
s, v = Square(2), Virtual()
isinstance(s, Shape), isinstance(v, Shape), issubclass(Virtual, Shape)
# %%
@show.register(list)
def _(x): return "list"
# %%
show(1), show([]), show("a"), isinstance(v, Shape)
# %%
print(show(2), show([3]), s.area())
Shape()
""",
    "classes that keep what they made": r"""
# %%
class Meta(type):
    made = []
    def __new__(mcls, name, bases, ns):
        cls = super().__new__(mcls, name, bases, ns)
        mcls.made.append(name)
        return cls
class Foo(metaclass=Meta):
    x = 1
# %%
f = Foo()
Meta.made
# %%
class Bar(Foo): pass
# %%
print(Meta.made, Bar().x, isinstance(f, Foo))
# %%
class counted:
    def __init__(self, f): self.f, self.n = f, 0
    def __call__(self, *args): self.n += 1; return self.f(*args)
@counted
def double(x): return 2 * x
double(1)
# %%
double(3), double.n
# %%
print(double(4), double.n)
# %%
Foo.x = 5
Foo.__repr__ = lambda self: "a Foo"
# %%
f, Bar().x
# %%
f.x
""",
    "what objects do to their class": r"""
# %%
class Account:
    count = 0
    names = list()
    def __init__(self, owner):
        self.owner = owner
        Account.count += 1
        self.names.append(owner)
class Savings(Account): rate = 0.1
first = Account("first")
# %%
second = Savings("second")
# %%
Account.count, second.names, Savings.count
# %%
def more(n):
    return [Savings(str(i)) for i in range(n)]
rest = more(3)
# %%
Savings.rate = 0.2
first.count, first.names
# %%
second.rate, [r.count for r in rest]
# %%
Account.total = lambda self: len(self.names)
# %%
second.total(), Account.total(first)
# %%
second.total()
""",
    "errors with more to say": r"""
# %%
class MyError(Exception):
    def __init__(self, code, text, *, hint="none"):
        super().__init__(text)
        self.code, self.hint = code, hint
    def __str__(self): return f"{self.code}: {self.args[0]} ({self.hint})"
class Missing(KeyError): pass
# %%
try:
    raise MyError(3, "bad", hint="look")
except MyError as e:
    err = e
    print(repr(e), e.code)
try: open("not there")
except OSError as e: lost = e
missing = Missing("k")
# %%
err.code, err.args, str(err), isinstance(err, MyError), lost.errno, lost.filename, missing
# %%
print(err, lost, missing)
raise err
""",
    "definitions whose state their own cell changes": r"""
# %%
class Node:
    total = 0
    def __init__(self, v, nxt=None): self.v, self.nxt = v, nxt; Node.total += 1
    def __iter__(self):
        n = self
        while n: yield n.v; n = n.nxt
    def __del__(self): pass
# %%
lst = Node(1, Node(2, Node(3)))
# %%
list(lst), Node.total
# %%
import functools
@functools.lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n-1) + fib(n-2)
fib(10)
# %%
class Temp:
    def __init__(self): self._c = 0
    @property
    def f(self): return self._c * 9 / 5 + 32
    @f.setter
    def f(self, v): self._c = (v - 32) * 5 / 9
    @classmethod
    def make(cls, f): t = cls(); t.f = f; return t
    def __init_subclass__(cls, **k): cls.tag = cls.__name__.lower()
t = Temp.make(212)
# %%
class Hot(Temp): pass
h = Hot.make(500)
# %%
t.f, h.f, h.tag, Hot.tag, Hot.__mro__[1] is Temp
# %%
from contextlib import contextmanager
depth = 0
@contextmanager
def indent():
    global depth
    depth += 1
    try: yield depth
    finally: depth -= 1
# %%
with indent() as a:
    with indent() as b: print(a, b, depth)
# %%
depth
# %%
def deco(n):
    def outer(f):
        count = 0
        def inner(*args):
            nonlocal count
            count += 1
            return (count, [f(*args)] * n)
        return inner
    return outer
@deco(2)
def hi(x): return x
# %%
hi(1)
# %%
hi(2)
# %%
print(hi(3), hi.__name__)
# %%
from typing import Generic, TypeVar, ClassVar
from dataclasses import dataclass, field
T = TypeVar("T")
@dataclass
class Inv(Generic[T]):
    items: list[T] = field(default_factory=list)
    made: ClassVar[int] = 0
    def __post_init__(self): type(self).made += 1
inv = Inv[int]([1])
# %%
inv2 = Inv(); inv2.items.append(5)
# %%
Inv.made, inv, inv2
# %%
import enum
class Color(enum.Enum):
    RED = 1
    def __str__(self): return "c:" + self.name
Color.extra = {}
# %%
Color.extra[Color.RED] = 5
# %%
Color.extra, str(Color.RED)
""",
    "what a later cell defines anew": r"""
# %%
import functools
class Base:
    kind = "base"
class Car(Base):
    wheels = 4
    def sound(self): return "brumm"
def double(x): return 2 * x
# %%
car, cars = Car(), [Car(), Car()]
doubled, functions = functools.partial(double, 3), [double]
# %%
car.sound(), doubled(), functions[0](1)
# %%
class Car(Base):
    wheels = 3
    def sound(self): return "tuff"
def double(x): return [x, x]
# %%
new = Car()
# %%
car.sound(), new.sound(), doubled(), functions[0](1), double(1)
# %%
type(car) is Car, type(new) is Car, type(car) is type(cars[0]), isinstance(car, Base), type(car) is type(new)
# %%
car.color = "red"
cars.append(new)
# %%
car.sound(), car.color, [c.sound() for c in cars], [type(c) is type(car) for c in cars], type(cars[2]) is Car
# %%
class Car: pass
# %%
[type(c).__name__ for c in cars], type(cars[2]) is Car, cars[2].wheels, car.wheels
""",
}
