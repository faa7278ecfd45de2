"""One small class for every kind of plug-in.

A plug-in folder holds one file per plug-in; a file ends with ``PLUGINS = (Spec(...),)``. The registry reads the folder,
then the installed entry points of the group, so that another package can add to it. A name defined twice is refused.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from types import ModuleType
from typing import Generic, Protocol, TypeVar

from core.errors import InputError, UnknownNameError, did_you_mean


class Named(Protocol):
    """What every spec has."""

    @property
    def name(self) -> str: ...


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """The plug-ins of one folder and one entry-point group, by name, read on first use.

    Args:
        kind: what one plug-in is called in messages ("data set").
        package: the folder, as a package ("core.datasets").
        group: the entry-point group for other packages ("opsight.datasets").
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind = kind
        self.package = package
        self.group = group
        self._specs: dict[str, T] | None = None

    def __iter__(self) -> Iterator[T]:
        return iter(self._read().values())

    def __contains__(self, name: object) -> bool:
        return name in self._read()

    def names(self) -> tuple[str, ...]:
        """All names, in the order of files."""
        return tuple(self._read())

    def get(self, name: str) -> T:
        """The plug-in of that name.

        Raises:
            UnknownNameError: no such plug-in; the nearest name is suggested.
        """
        specs = self._read()
        if name not in specs:
            raise UnknownNameError(f"There is no {self.kind} named {name!r}.", do=did_you_mean(name, specs))
        return specs[name]

    def _read(self) -> dict[str, T]:
        if self._specs is None:
            specs: dict[str, T] = {}
            origin: dict[str, str] = {}
            for module in self._modules():
                for spec in getattr(module, "PLUGINS", ()):
                    where = str(module.__file__)
                    if spec.name in specs:
                        raise InputError(
                            f"Two files define the {self.kind} {spec.name!r}: {origin[spec.name]} and {where}.",
                            do="Rename one of them.",
                            code="DUPLICATE_PLUGIN",
                        )
                    specs[spec.name] = spec
                    origin[spec.name] = where
            self._specs = specs
        return self._specs

    def _modules(self) -> Iterator[ModuleType]:
        folder = importlib.import_module(self.package)
        for found in sorted(pkgutil.iter_modules(folder.__path__), key=lambda m: m.name):
            if not found.name.startswith("_"):
                yield importlib.import_module(f"{self.package}.{found.name}")
        for point in entry_points(group=self.group):
            yield importlib.import_module(point.module)
