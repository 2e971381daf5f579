"""Fields of a published config: what is missing and what cannot be is collected, and said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.errors import ConfigurationError, Location, raise_all

__all__ = ["Fields"]

MOST = 100_000_000
"""No width, vocabulary or context of a model is larger; counts of layers and experts are far below."""


class Fields:
    """Reads numbers and switches from one mapping; `finish` raises what was wrong."""

    def __init__(self, file: str, values: Mapping[str, Any]) -> None:
        self.file = file
        self.values = values
        self.missing: list[str] = []
        self.wrong: list[ConfigurationError] = []

    def number(self, *names: str, least: int = 1, most: int = MOST, default: int | None = None) -> int:
        """The first of `names` that is there; 1 (the neutral value) once it is noted as missing or wrong."""
        name = next((name for name in names if self.values.get(name) is not None), None)
        if name is None:
            if default is None:
                self.missing.append(names[0])
            return 1 if default is None else default
        value = self.values[name]
        if isinstance(value, tuple) and len(set(value)) == 1:  # GGUF may give one value a layer
            value = value[0]
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(name, value, f"a whole number from {least:,} to {most:,}")
            return 1
        return value

    def switch(self, name: str, *, default: bool = False) -> bool:
        """A true or false; `default` where it is not there or null."""
        value = self.values.get(name)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.refuse(name, value, "true or false")
            return default
        return value

    def divides(self, part: str, count: int, whole: str, size: int) -> bool:
        """Whether `count` divides `size`; where one of the two was refused already, there is nothing more to say."""
        refused = {*self.missing, *(error.key for error in self.wrong)}
        return bool(refused & {part, whole}) or size % count == 0

    def refuse(
        self,
        name: str,
        value: object,
        allowed: str,
        message: str | None = None,
        *,
        fix: str = "take the file as it was published",
    ) -> None:
        """Note a value that no model has."""
        self.wrong.append(
            ConfigurationError(
                message or f"{name} is {str(value)[:60]}",
                code="SKS0215",
                key=name,
                location=Location(self.file),
                value=str(value)[:60],
                allowed=allowed,
                fix=fix,
            )
        )

    def finish(self) -> None:
        """Raise everything that was noted, as one error."""
        errors = list(self.wrong)
        if self.missing:
            errors.insert(0, self._lacking())
        raise_all(errors)

    def _lacking(self) -> ConfigurationError:
        names = ", ".join(dict.fromkeys(self.missing))
        return ConfigurationError(
            f"these fields are missing: {names}",
            code="SKS0214",
            key=self.missing[0],
            location=Location(self.file),
            allowed="the fields that decide the number of parameters and the cache",
            fix="take the whole file as it was published, not a part of it",
        )
