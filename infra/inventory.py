"""The file of machines one owns: a YAML or JSON list of hosts, checked with every error at once, each by its line."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from infra.bounded_yaml import UnreadableYamlError, compose, read_text
from infra.catalog.facts import Catalog, GpuFacts
from infra.digits import read_number, read_whole
from infra.errors import ConfigurationError, ConfigurationErrors, Location
from infra.sizing.compatibility_rules import FORMS
from infra.sizing.hosts import Host
from infra.units import gib

__all__ = ["parse_inventory", "read_inventory"]

MOST_GPUS = 16
MOST_HOSTS = 1000
MOST_VALUES = 50 * MOST_HOSTS
"""A host is a mapping of 7 keys today, 15 values."""
EXAMPLE = (
    "- {name: node-1, gpu: L40S, gpus: 4, host_memory_gib: 256, disk_gib: 900, driver: 580.95.05, network_gbit: 100}"
)


@dataclass(frozen=True, slots=True)
class _Key:
    """What one key of a host takes; `read` raises ValueError."""

    read: Callable[[str], Any]
    allowed: str
    required: bool = False


def _name(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,252}", text):
        raise ValueError
    return text


def _count(text: str) -> int:
    number = read_whole(text)
    if not 1 <= number <= MOST_GPUS:
        raise ValueError
    return number


def _size(text: str) -> float:
    number = read_number(text)
    if not (math.isfinite(number) and 0 < number <= 1e9):
        raise ValueError
    return number


def _driver(text: str) -> str:
    if not re.fullmatch(FORMS["driver"][0], text, re.ASCII):
        raise ValueError
    return text


KEYS = {
    "name": _Key(_name, "letters, digits, dots and dashes", required=True),
    "gpu": _Key(str, "a name of `seekstack gpus`", required=True),
    "gpus": _Key(_count, f"a whole number from 1 to {MOST_GPUS}", required=True),
    "host_memory_gib": _Key(_size, "GiB, above 0"),
    "disk_gib": _Key(_size, "free GiB, above 0"),
    "driver": _Key(_driver, FORMS["driver"][1]),
    "network_gbit": _Key(_size, "Gbit/s, above 0"),
}


def read_inventory(path: Path, catalog: Catalog) -> tuple[Host, ...]:
    """The hosts in the file at `path`."""
    try:
        text = read_text(path)
    except UnreadableYamlError as error:
        raise _unreadable(error, path.name) from None
    except FileNotFoundError:
        raise _only(path.name, None, f"there is no {path}", "a file", "name the inventory file") from None
    except (IsADirectoryError, UnicodeDecodeError) as error:
        raise _only(path.name, None, f"cannot be read: {error}", "UTF-8 text", "name a text file") from None
    return parse_inventory(text, path.name, catalog)


def parse_inventory(text: str, file: str, catalog: Catalog) -> tuple[Host, ...]:
    """The hosts in `text`; raises ConfigurationErrors with everything that is wrong in it."""
    reader = _Reader(file, catalog)
    hosts = [host for node in reader.entries(_compose(text, file)) if (host := reader.host(node))]
    if reader.errors:
        raise ConfigurationErrors(reader.errors)
    return tuple(hosts)


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        return compose(text, most_values=MOST_VALUES)
    except UnreadableYamlError as error:
        raise _unreadable(error, file) from None


def _unreadable(error: UnreadableYamlError, file: str) -> ConfigurationErrors:
    return _only(file, error.line, error.message, error.allowed or EXAMPLE, error.fix)


@dataclass(slots=True)
class _Reader:
    file: str
    catalog: Catalog
    errors: list[ConfigurationError] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """Names that were read, and where."""

    def entries(self, root: yaml.Node | None) -> Iterator[yaml.Node]:
        """The list itself, or the list under `hosts:`."""
        if isinstance(root, yaml.MappingNode):
            under = [value for key, value in root.value if getattr(key, "value", None) == "hosts"]
            root = under[0] if len(under) == len(root.value) == 1 else root
        if not isinstance(root, yaml.SequenceNode) or not root.value or len(root.value) > MOST_HOSTS:
            line = root.start_mark.line + 1 if root else None
            what = f"is no list of 1 to {MOST_HOSTS:,} hosts"
            raise _only(self.file, line, what, EXAMPLE, "write one entry for each machine")
        yield from root.value

    def host(self, node: yaml.Node) -> Host | None:
        """One entry; None where something in it is wrong."""
        before, line = len(self.errors), node.start_mark.line + 1
        if not isinstance(node, yaml.MappingNode):
            self.refuse("host", line, "is no mapping", EXAMPLE, "write `key: value` pairs")
            return None
        values = self._values(node)
        for key, known in KEYS.items():
            if known.required and key not in values and len(self.errors) == before:
                self.refuse(key, line, "is missing", known.allowed, f"add {key}")
        gpu = self._gpu(values.get("gpu"))
        name, at = values.get("name", (None, line))
        if name in self.lines:
            self.refuse("name", at, f"{name} stands in line {self.lines[name]} already", "each name once", "rename one")
        self.lines.setdefault(str(name), at)
        if len(self.errors) > before or gpu is None:
            return None
        return _host({key: value for key, (value, _) in values.items()}, gpu)

    def _values(self, node: yaml.MappingNode) -> dict[str, tuple[Any, int]]:
        values: dict[str, tuple[Any, int]] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            known = KEYS.get(key)
            if known is None:
                near = get_close_matches(key, KEYS, n=1)
                fix = f"rename it to {near[0]}" if near else "remove it"
                self.refuse(key[:60], line, "is no key of a host", ", ".join(KEYS), fix)
            elif key in values:
                self.refuse(key, line, f"stands twice, first in line {values[key][1]}", "each key once", "remove one")
            else:
                self._read(key, known, value_node, line, values)
        return values

    def _read(self, key: str, known: _Key, node: yaml.Node, line: int, values: dict[str, tuple[Any, int]]) -> None:
        text = node.value if isinstance(node, yaml.ScalarNode) else None
        try:
            values[key] = (known.read(text or ""), line)
        except ValueError:
            self.refuse(key, line, f"{(text or 'a list or mapping')[:60]!r} is not usable", known.allowed, f"set {key}")
            values[key] = (None, line)

    def _gpu(self, given: tuple[Any, int] | None) -> GpuFacts | None:
        if given is None or given[0] is None:
            return None
        try:
            return self.catalog.gpu(given[0])
        except ConfigurationError as error:
            message = error.message.removeprefix("gpu: ")
            self.refuse("gpu", given[1], message, error.allowed or "", error.fix or "")
            return None

    def refuse(self, key: str, line: int, message: str, allowed: str, fix: str) -> None:
        """Keep one error and go on."""
        self.errors.append(_wrong(self.file, line, f"{key}: {message}", key, allowed, fix))


def _host(values: dict[str, Any], gpu: GpuFacts) -> Host:
    memory, disk = values.get("host_memory_gib"), values.get("disk_gib")
    return Host(
        name=values["name"],
        gpu=gpu,
        gpus=values["gpus"],
        host_memory_bytes=None if memory is None else gib(memory),
        disk_bytes=None if disk is None else gib(disk),
        driver=values.get("driver"),
        network_gbit=values.get("network_gbit"),
    )


def _only(file: str, line: int | None, message: str, allowed: str, fix: str) -> ConfigurationErrors:
    return ConfigurationErrors([_wrong(file, line, f"inventory: {message}", "inventory", allowed, fix)])


def _wrong(file: str, line: int | None, message: str, key: str, allowed: str, fix: str) -> ConfigurationError:
    where = Location(file, line)
    return ConfigurationError(message, code="SKS0110", key=key, location=where, allowed=allowed, fix=fix)
