"""Lazy properties: computed when they are first asked for, and kept.

`functools.cached_property` of Python 3.11 locks its class while it computes: two threads that want the covariances of
two sets of windows would wait for each other. This one locks nothing. Threads that ask one object at the same time may
compute the same twice, and all are given the value that was kept first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class lazy_property(Generic[T]):  # noqa: N801  # it is used as `property` is
    """A property whose value is kept in the object's `__dict__`, under its own name; deleting it there forgets it."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        """Take the method that computes the value."""
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        """Take note of the name under which the value is kept."""
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> Self | T:
        """Return the value, computing it the first time: from then on Python finds it before it asks here."""
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self._name, self._compute(instance))
        return value
