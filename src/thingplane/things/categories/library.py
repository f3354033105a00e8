"""The library of standard categories: read from its files at first use, each model parsed when somebody wants it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cached_property
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import msgspec

from thingplane.things.categories.notation import Table, tsl
from thingplane.things.model.failures import ModelError
from thingplane.things.model.tsl import parse_tsl
from thingplane.things.model.types import ThingModel

_UNITS: Final = "units.toml"


class CategoryError(ValueError):
    """A file of categories that breaks a rule; the text names the category."""


class CategoryLibrary:
    """Categories by key. Keys are compared as they are written, upper and lower case told apart."""

    def __init__(self, folder: Traversable | None = None) -> None:
        """Reads nothing yet.

        Args:
            folder: holds units.toml and any number of other ``.toml`` files; None for the categories that come along.
        """
        self._folder = files(__package__) if folder is None else folder
        self._models: dict[str, ThingModel] = {}

    @cached_property
    def _units(self) -> Mapping[str, str]:
        return _read(self._folder / _UNITS)

    @cached_property
    def _tables(self) -> Mapping[str, Table]:
        tables: dict[str, Table] = {}
        for file in sorted(self._folder.iterdir(), key=lambda file: file.name):
            if file.name.endswith(".toml") and file.name != _UNITS:
                for key, table in _read(file).items():
                    if key in tables:
                        raise CategoryError(f"{file.name}: there is a category {key} already")
                    tables[key] = table
        return tables

    def names(self) -> dict[str, str]:
        """Names of all categories by key, in the order of the files."""
        return {key: table["name"] for key, table in self._tables.items()}

    def name(self, key: str) -> str | None:
        """Name of a category, None when there is none with this key."""
        table = self._tables.get(key)
        return None if table is None else str(table["name"])

    def model(self, key: str) -> ThingModel | None:
        """Thing model of a category, None when there is none with this key.

        Its features are marked as standard (``custom`` false) and have no creation time.

        Raises:
            CategoryError: the file breaks a rule of thing models.
        """
        if key not in self._models:
            table = self._tables.get(key)
            if table is None:
                return None
            try:
                model = parse_tsl(msgspec.json.encode(tsl(table, self._units)).decode())
            except (ModelError, ValueError, KeyError) as error:
                raise CategoryError(f"category {key}: {error}") from error
            self._models[key] = _standard(model)
        return self._models[key]


def _read(file: Traversable) -> Table:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _standard(model: ThingModel) -> ThingModel:
    return msgspec.structs.replace(
        model,
        properties=tuple(msgspec.structs.replace(feature, custom=False) for feature in model.properties),
        events=tuple(msgspec.structs.replace(feature, custom=False) for feature in model.events),
        services=tuple(msgspec.structs.replace(feature, custom=False) for feature in model.services),
    )
