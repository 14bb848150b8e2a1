"""Settings of loads and profiles as they are written: ``NAME=VALUE``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches
from typing import Any

from halospec.analysis.printable import printable
from halospec.contention.quantities import Misspelt

_LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes
    ----------
    name
        As it is written.
    field
        Where its value stands in the dataclass that it is a setting of.
    read
        From the text behind ``=``; ``Misspelt`` says what that should be.
    written
        Back to that text.
    """

    name: str
    field: str
    read: Callable[[str], Any]
    written: Callable[[Any], str] = str


@dataclass(frozen=True)
class Form:
    """How one kind of load or profile is written.

    Attributes
    ----------
    makes
        The dataclass.
    settings
        In the order in which they are written.
    example
        A whole spelling.
    """

    name: str
    makes: type[Any]
    settings: tuple[Setting, ...]
    example: str

    def made(self, written: Iterable[str]) -> Any:
        """Return what settings make, as written.

        Raises
        ------
        ValueError
            As `values_of` and `of`.
        """
        return self.of(self.values_of(written))

    def values_of(self, written: Iterable[str], **known: Any) -> dict[str, Any]:
        """Return values by their fields, ``known`` ones included.

        Raises
        ------
        ValueError
            If there is no such setting, it cannot have this value, or it is given twice; in a sentence.
        """
        for one in written:
            setting, value = self._setting(one)
            if setting.field in known:
                raise ValueError(f"{self.name} is given {setting.name} twice; give it once.")
            try:
                known[setting.field] = setting.read(value)
            except Misspelt as error:
                raise ValueError(f"{self.name} cannot have {shown(one)}: {error}.") from error
        return known

    def of(self, values: Mapping[str, Any]) -> Any:
        """Return what these values make.

        Raises
        ------
        ValueError
            If one is missing or out of range; in a sentence.
        """
        for field in fields(self.makes):
            if not _has_default(field) and field.name not in values:
                missing = " or ".join(setting.name for setting in self.settings if setting.field == field.name)
                raise ValueError(f"{self.name} needs {missing}, as in {self.example}.")
        return self.makes(**values)

    def _setting(self, written: str) -> tuple[Setting, str]:
        name, equals, value = written.partition("=")
        name = name.strip()
        for setting in self.settings:
            if setting.name == name:
                if not equals or not value:
                    raise ValueError(f"{self.name} is given {name} without a value; write {name}=VALUE.")
                return setting, value
        names = [setting.name for setting in self.settings]
        has = f"it has {_listed(names)}" if names else "it has none"
        raise ValueError(f"{self.name} has no setting {shown(name)!r}{did_you_mean(name, names)}; {has}.")

    def written(self, value: Any) -> list[str]:
        """Return the settings of ``value``, without those that are as they would be anyway."""
        usual = {field.name: field.default for field in fields(self.makes)}
        texts: dict[str, str] = {}
        for setting in self.settings:
            if setting.field in texts or setting.field not in usual:
                continue
            own = getattr(value, setting.field)
            if own != usual[setting.field]:
                texts[setting.field] = f"{setting.name}={setting.written(own)}"
        return list(texts.values())


def did_you_mean(word: str, known: Collection[str]) -> str:
    """Return the nearest of the known words as a question in brackets, or nothing where none is near."""
    near = get_close_matches(word.strip().lower(), known, n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def shown(text: str) -> str:
    """Return what a user wrote, fit to print."""
    return printable(text, _LONGEST_SHOWN)


def _listed(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _has_default(field: Field[Any]) -> bool:
    return field.default is not MISSING or field.default_factory is not MISSING
