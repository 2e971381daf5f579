"""Every refusal of seekstack, as one tree.

    SeekstackError                 exit 1
    ├── ConfigurationError         exit 2   one wrong key (also ValueError)
    ├── ConfigurationErrors        exit 2   all wrong keys of one run (also ValueError)
    ├── SizingError                exit 2   the model does not fit what was asked for (also ValueError)
    ├── ResourceError              exit 4   a cloud or cluster refused (also RuntimeError)
    └── ToolError                  exit 1   a program we need is missing, too old or failed (also RuntimeError)

Exit codes are Pulumi's own (sdk/go/common/util/cmdutil/exit.go): 0 ok, 1 error, 2 configuration, 3 authentication,
4 resource, 5 policy, 6 stack not found, 7 no changes, 8 cancelled, 9 timeout, 255 internal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = [
    "ConfigurationError",
    "ConfigurationErrors",
    "Location",
    "ResourceError",
    "SeekstackError",
    "SizingError",
    "ToolError",
    "raise_all",
]


@dataclass(frozen=True, slots=True)
class Location:
    """Where a wrong value stands: a file and, where known, its 1-based line."""

    file: str
    line: int | None = None

    def __str__(self) -> str:
        return self.file if self.line is None else f"{self.file}:{self.line}"


class SeekstackError(Exception):
    """A refusal a person can act on: stable code, what, where, what is allowed, and what to do."""

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        code: str,
        key: str | None = None,
        location: Location | None = None,
        value: object = None,
        allowed: str | None = None,
        fix: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.key = key
        self.location = location
        self.value = value
        self.allowed = allowed
        self.fix = fix

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        lines = [f"{self.code} {where}{self.message}"]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.fix:
            lines.append(f"    fix:     {self.fix}")
        return "\n".join(lines)

    def to_json(self) -> dict[str, object]:
        """The same fields for `--json`; `value` becomes text unless it is a plain scalar."""
        scalar = self.value is None or isinstance(self.value, str | int | float | bool)
        return {
            "code": self.code,
            "message": self.message,
            "key": self.key,
            "location": asdict(self.location) if self.location else None,
            "value": self.value if scalar else repr(self.value),
            "allowed": self.allowed,
            "fix": self.fix,
        }


class ConfigurationError(SeekstackError, ValueError):
    """One configuration key that cannot be used as it stands."""

    exit_code = 2


class ConfigurationErrors(SeekstackError, ValueError):  # noqa: N818 it is a list of them
    """Every wrong key of one run, so that one edit mends them all."""

    exit_code = 2

    def __init__(self, errors: Sequence[ConfigurationError]) -> None:
        count = len(errors)
        super().__init__(f"{count} configuration error{'s' if count != 1 else ''}", code="SKS0100")
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join([f"{self.message}:", *(f"  {line}" for e in self.errors for line in str(e).splitlines())])

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), "errors": [error.to_json() for error in self.errors]}


class SizingError(SeekstackError, ValueError):
    """The model and workload do not fit the hardware that was named or allowed."""

    exit_code = 2


class ResourceError(SeekstackError, RuntimeError):
    """A cloud, cluster or fake of one refused a call."""

    exit_code = 4


class ToolError(SeekstackError, RuntimeError):
    """A program that seekstack starts is missing, too old, or failed."""


def raise_all(errors: Sequence[ConfigurationError]) -> None:
    """One error as itself, several as one list, none not at all."""
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigurationErrors(errors)
