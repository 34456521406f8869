# Objects that outlive the definitions of their classes, and classes that know each other.

# %%
import abc
import copy
import functools
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple


# %%
class Account:
    n = 0

    def __init__(self, owner):
        self.owner = owner
        Account.n += 1

    @classmethod
    def total(cls):
        return cls.n


class Color(Enum):
    RED = 1
    BLUE = 2


@dataclass(order=True)
class Version:
    major: int
    tags: list = field(default_factory=list)


class Place(NamedTuple):
    x: int


def double(x):
    return 2 * x


# %%
ann, bob = Account("ann"), Account("bob")
red, first, here = Color.RED, Version(1, ["old"]), Place(3)

# %%
Account.bonus = 5
ann.bonus, Account.total()


# %%
class Savings(Account):
    def __init__(self, owner, rate):
        super().__init__(owner)
        self.rate = rate

    def double(self, by=double):
        return by(self.rate)


class Gold(Savings):
    favourite = Color.BLUE


# %%
sue, gus = Savings("sue", 0.1), Gold("gus", 0.5)
doubled = functools.partial(double, 4)
isinstance(sue, Account), Account.n, gus.favourite


# %%
class Account:
    pass


class Color(Enum):
    RED = "red"


@dataclass
class Version:
    name: str


def double(x):
    return [x, x]


# %%
isinstance(ann, Account), isinstance(sue, Savings), isinstance(gus, Savings), type(ann).__name__

# %%
print(ann.total(), sue.total(), gus.bonus, sue.double(), doubled(), double(1), hasattr(Account, "n"))
type(ann) is Savings.__mro__[1], type(ann) is Gold.__mro__[2], type(gus) is Gold, Account is type(ann)

# %%
new, second = Account(), Version("two")
new.old = ann
print(red, red is Color.RED, red.value, gus.favourite, first, second, first < copy.copy(first))
type(new) is Account, type(new.old) is Savings.__mro__[1], type(first) is Version

# %%
gus.rate = 0.25
sue.friends = [ann, gus]

# %%
print(gus.double(), [friend.owner for friend in sue.friends], sue.friends[1] is gus, first.tags)
isinstance(gus, type(sue)), issubclass(Gold, Account), isinstance(new, Account), new.old is ann

# %%
Place = NamedTuple("Place", [("x", int), ("y", int)])
there = Place(1, 2)

# %%
print(here, there, here.x, type(here) is Place, type(there) is Place)


# %%
class Savings:
    rate = 7


# %%
print(sue.rate, Savings.rate, type(gus).__mro__[1] is type(sue), isinstance(gus, Savings))
sue.total(), gus.total(), [type(friend).__name__ for friend in sue.friends]


# %%
class Shape(abc.ABC):
    @abc.abstractmethod
    def area(self): ...


class Planet(Enum):
    EARTH = (5.97e24, 6.37e6)
    HOME = (5.97e24, 6.37e6)

    def __init__(self, mass, radius):
        self.mass, self.radius = mass, radius

    @property
    def gravity(self):
        return round(6.67e-11 * self.mass / self.radius**2, 2)


class Single:
    _one = None

    def __new__(cls):
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one


class Order:
    def __init__(self, n):
        self.n = n

    @functools.cached_property
    def total(self):
        print("computing")
        return self.n * 10


# %%
class Circle:
    def area(self):
        return 3


Shape.register(Circle)

# %%
home, order, single = Planet.EARTH, Order(3), Single()
single.value = 4
isinstance(Circle(), Shape), issubclass(Circle, Shape)

# %%
print(home.gravity, Planet["HOME"] is home, order.total, Single().value)

# %%
order.total, isinstance(Circle(), Shape)

# %%
Order = functools.partial(Order, 5)
Order().total

# %%
order.total, type(order).__name__, Order().n


# %%
class Greeter:
    def greet(self):
        return "hello"

    def loud(self):
        return self.greet().upper()


greeter = Greeter()
plainly = Greeter.greet


# %%
def patched(self):
    return plainly(self) + " there"


Greeter.greet = patched
greeter.loud()

# %%
greeter.greet(), Greeter().loud()

# %%
Greeter.greet = plainly
greeter.loud()

# %%
greeter.greet(), Greeter().loud(), Greeter.greet.__qualname__
