"""Attributes of torch that are exchanged while a program is recorded, and put back."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_ABSENT = object()


class Patches:
    """Exchanges attributes and remembers what was there. own: whether a file is the user's."""

    def __init__(self, own: Callable[[str], bool]) -> None:
        self._own = own
        self._done: list[tuple[Any, str, Any, Any]] = []  # owner, name, before, now
        self._functions: list[tuple[Any, Any]] = []

    def put(self, owner: Any, name: str, new: Any) -> None:
        """Exchanges an attribute of a class or module."""
        before = vars(owner).get(name, _ABSENT)
        setattr(owner, name, new)
        self._done.append((owner, name, before, vars(owner)[name]))

    def function(self, owners: list[Any], name: str, new: Any) -> None:
        """Exchanges a function in each of the modules that offer it, and where the user's modules have imported it by name."""
        old = getattr(owners[0], name)
        for owner in owners:
            self.put(owner, name, new)
        self._functions.append((old, new))
        self._exchange(old, new)

    @contextmanager
    def away(self, owner: Any) -> Iterator[None]:
        """For a while, one class or module as it was."""
        mine = [(name, before, now) for one, name, before, now in self._done if one is owner and vars(owner).get(name) is now]
        for name, before, _ in mine:
            setattr(owner, name, before)
        try:
            yield
        finally:
            for name, _, now in mine:
                setattr(owner, name, now)

    def give_back(self, owner: Any, name: str) -> None:
        """One attribute as it was, for good, unless somebody else has exchanged it since."""
        for number, (one, called, before, now) in enumerate(self._done):
            if one is owner and called == name and vars(owner).get(name) is now:
                setattr(owner, name, before)
                del self._done[number]
                return

    def undo(self) -> None:
        """Puts everything back, but for what somebody else has exchanged since."""
        for owner, name, before, now in reversed(self._done):
            if vars(owner).get(name) is now:
                if before is _ABSENT:
                    delattr(owner, name)
                else:
                    setattr(owner, name, before)
        for old, new in self._functions:
            self._exchange(new, old)
        self._done, self._functions = [], []

    def _exchange(self, old: Any, new: Any) -> None:
        for title, module in list(sys.modules.items()):
            file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
            if title == "__main__" or (isinstance(file, str) and self._own(file)):
                for name, value in list(vars(module).items()):
                    if value is old:
                        setattr(module, name, new)
