# Classes and functions that the notebook defines, and objects of them.

# %%
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import NamedTuple


# %%
class Account:
    """An account with a history."""

    count = 0

    def __init__(self, owner, balance=0):
        self.owner, self.balance = owner, balance
        self.history = []
        Account.count += 1

    def deposit(self, amount):
        self.balance += amount
        self.history.append(amount)
        return self

    def __repr__(self):
        return f"Account({self.owner!r}, {self.balance})"


# %%
class Savings(Account):
    rate = 0.1

    def add_interest(self):
        return super().deposit(self.balance * self.rate)


# %%
account = Savings("Ann", 100)
account.add_interest()

# %%
account.deposit(5)
print(account, account.history, Account.count)
isinstance(account, Savings), isinstance(account, Account), type(account) is Savings


# %%
@dataclass(order=True)
class Version:
    major: int
    minor: int = 0
    tags: list = field(default_factory=list)


class Point(NamedTuple):
    x: float
    y: float = 0.0


Color = Enum("Color", "RED GREEN")

# %%
versions = sorted([Version(2), Version(1, 5), Version(1)])
points = [Point(1), Point(2, 3)]
color = Color.RED
versions

# %%
versions[0].tags.append("old")
print(versions[0] == Version(1, 0, ["old"]), points[1].y, color is Color.RED)


# %%
@lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


# %%
fibonacci(50)


# %%
def counter(start):
    def step(by=1):
        nonlocal start
        start += by
        return start

    return step


tick = counter(10)

# %%
tick(), tick(5)

# %%
Account.total = lambda self: self.balance + sum(self.history)
account.total()

# %%
account.total()
