"""`Pulumi.<stack>.yaml` as the engine reads it, with the line of each key and element, so that an error has a place.

The engine reads YAML with go-yaml 3 (yaml.v3, resolve.go): numbers and booleans of YAML 1.2, octals of 1.1, merge keys.
PyYAML resolves by YAML 1.1 (`yes` is true, `1e3` is text), so plain values get rules of their own here; a test compares
them with the real engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from infra.bounded_yaml import SafeLoader, UnreadableYamlError, compose, read_text
from infra.config_keys import entry_path
from infra.errors import ConfigurationError, ConfigurationErrors, Location

__all__ = ["PROJECT", "StackFile", "read_stack_file", "stack_file_path"]

PROJECT = "seekstack"
NAMESPACES = (PROJECT, "aws", "kubernetes", "pulumi")
MOST_PARTS = 3

STACK_NAME = re.compile(r"(?!\.+\Z)[A-Za-z0-9_.-]{1,100}")
"""One part of a stack's name (sdk/go/common/tokens, ParseStackName): also names of projects and organisations."""

TAG = "tag:yaml.org,2002:"
DIGITS, SIGNS = "0123456789", "+-"
PLAIN: tuple[tuple[str, str, str], ...] = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("merge", r"<<", "<"),
    ("timestamp", r"\d{4}-\d\d?-\d\d?([Tt ][ \t]*\d\d?:\d\d?:\d\d?(\.\d*)?[ \t]*(Z|[-+]\d\d?(:?\d\d)?)?)?", DIGITS),
    ("int", r"[-+]?(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)", SIGNS + DIGITS),
    ("float", r"[-+]?(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?", SIGNS + "." + DIGITS),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", SIGNS + "."),
)
"""Tag, form and first characters of plain values that are not text; the first that matches counts."""


class _Loader(SafeLoader):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 PyYAML's own form


for _tag, _form, _first in PLAIN:
    _Loader.add_implicit_resolver(
        TAG + _tag, re.compile(rf"(?:{_form})\Z"), [*_first, *([""] if _tag == "null" else [])]
    )


@dataclass(frozen=True, slots=True)
class StackFile:
    """Configuration of one stack: full keys (`seekstack:model`) to values, and to 1-based lines."""

    file: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    """Also of elements and entries, by their path: `seekstack:intranetCidrs[0]`, `seekstack:tags.team`."""
    errors: tuple[ConfigurationError, ...] = ()
    """Doubled and misplaced keys: reported together with what the values have wrong."""
    secrets: frozenset[str] = frozenset()
    """Paths of encrypted values (`secure: v1:…`), which only the engine can read."""

    def locate(self, key: str) -> Location:
        """Where `key` stands; the file alone for a key that is missing."""
        return Location(self.file, self.lines.get(key))

    def of_namespace(self, namespace: str) -> dict[str, Any]:
        """The values below `namespace:`, without the prefix."""
        prefix = f"{namespace}:"
        return {key.removeprefix(prefix): value for key, value in self.values.items() if key.startswith(prefix)}


def stack_file_path(root: Path, stack: str) -> Path:
    """Where Pulumi keeps the configuration of `stack`; organisation and project before a slash are no part of the name.

    Raises ConfigurationErrors for what cannot be the name of a stack.
    """
    parts = stack.split("/")
    if len(parts) > MOST_PARTS or not all(STACK_NAME.fullmatch(part) for part in parts):
        error = ConfigurationError(
            f"{stack!r} is not the name of a stack",
            code="SKS0106",
            value=stack,
            allowed="letters, digits, hyphens, underscores and periods; organisation/project/ may stand before",
            fix=f"name one of: {', '.join(_stacks(root)) or 'none yet; pulumi stack init dev makes one'}",
        )
        raise ConfigurationErrors([error])
    return root / f"Pulumi.{parts[-1]}.yaml"


def _stacks(folder: Path) -> list[str]:
    """Names of the stacks that have a file in `folder`."""
    files = (found for found in folder.glob("Pulumi.*.yaml") if found.is_file())
    return sorted(found.name.removeprefix("Pulumi.").removesuffix(".yaml") for found in files)


def read_stack_file(path: Path) -> StackFile:
    """The configuration in `path`; raises ConfigurationErrors where there is no file or no YAML in it."""
    try:
        text = read_text(path)
    except (FileNotFoundError, IsADirectoryError):
        stack = path.name.removeprefix("Pulumi.").removesuffix(".yaml")
        raise _one(
            "SKS0106", f"there is no {path.name}", path, None,
            f"a stack of {', '.join(_stacks(path.parent)) or 'none yet'}",
            f"name another stack, or: pulumi stack init {stack}",
        ) from None  # fmt: skip
    except UnreadableYamlError as error:
        raise _unreadable(error, path) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _one("SKS0106", f"cannot be read: {error}", path, None, "UTF-8 text", "mend the file") from None
    return _StackReader(path).read(text)


class _StackReader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.errors: list[ConfigurationError] = []
        self.values: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        self.secrets: set[str] = set()

    def read(self, text: str) -> StackFile:
        root = self._compose(text)
        for key, _, node in self._entries(root, "the file"):
            if key == "config":
                self._read_config(node)
        return StackFile(self.path.name, self.values, self.lines, tuple(self.errors), frozenset(self.secrets))

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            return compose(text, loader=_Loader)
        except UnreadableYamlError as error:
            raise _unreadable(error, self.path) from None

    def _read_config(self, config: yaml.Node) -> None:
        for key, line, node in self._entries(config, "config"):
            full_key = _full_key(key)
            if full_key in self.values:  # two spellings of one key: the engine takes either
                self._refuse_doubled(full_key, line, self.lines[full_key])
                continue
            self._check_namespace(full_key, line)
            self.lines[full_key] = line
            value = self._construct(node, full_key)
            self.values[full_key] = "" if value is None else value  # the engine hands over empty text

    def _check_namespace(self, key: str, line: int) -> None:
        namespace, _, name = key.partition(":")
        near = get_close_matches(namespace, NAMESPACES, n=1, cutoff=0.7)
        if namespace not in NAMESPACES and near:
            self._refuse(
                "SKS0102", key, line, f"{key}: did you mean {near[0]}:{name}?",
                ", ".join(f"{known}:…" for known in NAMESPACES), f"rename it to {near[0]}:{name}",
            )  # fmt: skip

    def _entries(self, node: yaml.Node | None, what: str) -> Iterator[tuple[str, int, yaml.Node]]:
        """Keys of a mapping with their lines; a doubled one is refused and its first value kept."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
            return
        if not isinstance(node, yaml.MappingNode):
            self._refuse(
                "SKS0107", what, node.start_mark.line + 1, f"{what} is not a mapping", "key: value lines", "mend it"
            )
            if what != "the value":
                raise ConfigurationErrors(self.errors)  # every key would count as missing
            return
        seen: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            is_merge = key_node.tag == f"{TAG}merge"
            key, line = "<<" if is_merge else self._key(key_node), key_node.start_mark.line + 1
            if key in seen:
                self._refuse_doubled(key, line, seen[key])
                continue
            seen[key] = line
            if is_merge:
                merged += self._merged(value_node)
            else:
                yield key, line, value_node
        for other in merged:
            for key, line, value_node in self._entries(other, what):
                if key not in seen:
                    seen[key] = line
                    yield key, line, value_node

    def _merged(self, node: yaml.Node) -> list[yaml.Node]:
        """What `<<` brings in: one mapping, or several of which the first that has a key wins."""
        nodes = node.value if isinstance(node, yaml.SequenceNode) else [node]
        if not all(isinstance(child, yaml.MappingNode) for child in nodes):
            self._refuse(
                "SKS0107", "<<", node.start_mark.line + 1, "<< takes a mapping, or a list of mappings",
                "<<: *name of a mapping", "name a mapping, or remove the line",
            )  # fmt: skip
            return []
        return list(nodes)

    def _key(self, node: yaml.Node) -> str:
        """A key as the engine spells it: `1.0:` is `1`, `true:` is `true`."""
        if not isinstance(node, yaml.ScalarNode):
            return str(node.value)
        value = self._scalar(node)
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _construct(self, node: yaml.Node, path: str) -> Any:
        if isinstance(node, yaml.MappingNode):
            found = {}
            for key, line, child in self._entries(node, "the value"):
                below = entry_path(path, key)
                self.lines[below] = line
                found[key] = self._construct(child, below)
            if list(found) == ["secure"] and isinstance(found["secure"], str):
                self.secrets.add(path)
            return found
        if isinstance(node, yaml.SequenceNode):
            elements = []
            for index, child in enumerate(node.value):
                self.lines[f"{path}[{index}]"] = child.start_mark.line + 1
                elements.append(self._construct(child, f"{path}[{index}]"))
            return elements
        return self._scalar(node)

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            return _read_scalar(node)
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            self._refuse(
                "SKS0107", "value", node.start_mark.line + 1, f"cannot be read: {error}", "plain values", "quote it"
            )
            return None

    def _refuse_doubled(self, key: str, line: int, first: int) -> None:
        self._refuse(
            "SKS0108", key, line, f"{key} stands twice, first in line {first}", "each key once",
            "remove one of the two lines",
        )  # fmt: skip

    def _refuse(self, code: str, key: str, line: int, message: str, allowed: str, fix: str) -> None:
        location = Location(self.path.name, line)
        self.errors.append(ConfigurationError(message, code=code, key=key, location=location, allowed=allowed, fix=fix))


def _one(code: str, message: str, path: Path, line: int | None, allowed: str, fix: str) -> ConfigurationErrors:
    location = Location(path.name, line)
    return ConfigurationErrors([ConfigurationError(message, code=code, location=location, allowed=allowed, fix=fix)])


def _unreadable(error: UnreadableYamlError, path: Path) -> ConfigurationErrors:
    is_line = error.line is not None and error.allowed is None
    allowed = error.allowed or ("a mapping with `config:`" if is_line else "plain text")
    fix = f"{error.fix}; tabs and unclosed quotes are the usual causes" if is_line else error.fix
    return _one("SKS0107", error.message, path, error.line, allowed, fix)


def _full_key(key: str) -> str:
    """`model` is the project's own `seekstack:model`; `aws:config:region` is the long form of `aws:region`."""
    namespace, _, name = key.rpartition(":")
    return f"{namespace.removesuffix(':config') or PROJECT}:{name}"


def _read_scalar(node: yaml.Node) -> Any:
    """The value of a scalar as the engine hands it over: a whole number without a point, a day with its time."""
    kind, text = node.tag.removeprefix(TAG), node.value
    if kind in ("str", "merge"):
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        number = _read_integer(text.replace("_", ""))
        return number if -(2**63) <= number < 2**64 else int(float(number))
    if kind == "float":
        return _read_float(text)
    loader = _Loader("")
    try:
        found = loader.construct_object(node)
    finally:
        loader.dispose()
    return _go_time(found) if isinstance(found, date) else found


def _read_integer(digits: str) -> int:
    """Go's base 0: a leading 0 is octal, with or without an o."""
    octal = re.fullmatch(r"([-+]?)0([0-7]+)", digits)
    return int(f"{octal[1]}0o{octal[2]}" if octal else digits, 0)


def _read_float(text: str) -> float | int:
    plain = text.replace("_", "").lower()
    if plain.endswith(("inf", "nan")):
        raise ValueError(f"'{text}' is no number that the engine reads")
    number = float(plain)
    return int(number) if number.is_integer() else number


def _go_time(moment: date) -> str:
    """As Go prints a time.Time, which is what the engine makes of a plain day or time of day."""
    if not isinstance(moment, datetime):
        return f"{moment} 00:00:00 +0000 UTC"
    fraction = f"{moment:.%f}".rstrip("0").rstrip(".")
    zone = f"{moment:%z %z}" if moment.utcoffset() else f"{moment.replace(tzinfo=UTC):%z} UTC"
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} {zone}"
