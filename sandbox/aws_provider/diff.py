"""What differs between a program's inputs and the last known state, per property.

The state is what AWS said at the last create, update or refresh, so drift found by a refresh differs like an edit of
the program does. Values that AWS computes never differ: an output whose type is not optional keeps its value where
the program is silent. Lists are compared as sets, because AWS returns them in any order, except where a type says
`ordered`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.aws_provider.description import Items, Type
from sandbox.aws_provider.schema import Resource, Schema, element, is_list, is_map
from sandbox.plugin import Unknown, contains_unknown

__all__ = ["Change", "ItemChanges", "Kind", "changed_properties", "changes", "is_empty", "item_changes"]


class Kind(StrEnum):
    """What happened to one property path."""

    ADD = "ADD"
    DELETE = "DELETE"
    UPDATE = "UPDATE"


@dataclass(frozen=True, slots=True)
class Change:
    """A differing property path, such as `tags.Name` or `ebsBlockDevices[0].volumeSize`."""

    path: str
    kind: Kind
    replaces: bool = False

    @property
    def property(self) -> str:
        """The top-level property of the path."""
        return re.split(r"[.\[]", self.path, maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What stays the same while walking down one resource."""

    described: Type
    schema: Schema

    def walk(self, path: str, name: str, new: Any, old: Any, kind: str, given: Any = None) -> list[Change]:
        """Differences below one value: `old` is its state, `given` what the last program said; `name` is a bare path.

        Inside an object, a field that the program does not set is AWS's choice unless the last program had set it.
        """
        if isinstance(new, Unknown):
            return [Change(path, Kind.ADD if is_empty(old) else Kind.UPDATE)]
        if is_empty(new) and is_empty(old):
            return []
        equal = self._known_equal(name, new, old)
        if equal:
            return []
        found: list[Change] = []
        if isinstance(new, list) and isinstance(old, list):
            found = self._list(path, name, new, old, element(kind) if is_list(kind) else "any", given)
        elif isinstance(new, Mapping) and isinstance(old, Mapping):
            found = self._mapping(path, name, new, old, kind, given)
        elif _scalar(new) != _scalar(old) or equal is False:
            found = [Change(path, Kind.ADD if old is None else Kind.DELETE if new is None else Kind.UPDATE)]
        return found or ([Change(path, Kind.UPDATE)] if equal is False else [])

    def _known_equal(self, name: str, new: Any, old: Any) -> bool | None:
        """What the type itself says about equality; None where it says nothing."""
        same = self.described.same.get(name)
        if same is not None and not is_empty(new) and not is_empty(old) and not contains_unknown(new):
            return bool(same(new) == same(old))
        flatten = next((items.flatten for items in self.described.items if items.property == name), None)
        if flatten is not None and not isinstance(new, Mapping) and not contains_unknown(new):
            return _as_set(flatten(new or [])) == _as_set(flatten(old or []))
        return None

    def _mapping(self, path: str, name: str, new: Any, old: Any, kind: str, given: Any) -> list[Change]:
        fields = self.schema.fields(kind)
        before = given if isinstance(given, Mapping) else {}
        found: list[Change] = []
        for key in (*new, *(key for key in old if key not in new)):
            if key not in new and not is_map(kind) and key not in before and name not in self._strict():
                continue
            below = f"{path}.{key}" if re.fullmatch(r"\w+", key) else f'{path}["{key}"]'
            inner = element(kind) if is_map(kind) else fields.get(key, "any?")
            found += self.walk(below, f"{name}.{key}", new.get(key), old.get(key), inner, before.get(key))
        return found

    def _strict(self) -> set[str]:
        """Child lists are ours alone: a field that the program does not set must not be set in AWS."""
        return {items.property for items in self.described.items}

    def _list(self, path: str, name: str, new: list[Any], old: list[Any], kind: str, given: Any) -> list[Change]:
        before = given if isinstance(given, list) else []
        found: list[Change] = []
        for new_index, old_index in self._pairs(path, name, new, old, kind):
            if new_index is None:
                found.append(Change(f"{path}[{old_index}]", Kind.DELETE))
            elif old_index is None:
                found.append(Change(f"{path}[{new_index}]", Kind.ADD))
            else:
                said = before[new_index] if new_index < len(before) else None
                found += self.walk(f"{path}[{new_index}]", name, new[new_index], old[old_index], kind, said)
        return found

    def _pairs(
        self, path: str, name: str, new: list[Any], old: list[Any], kind: str
    ) -> list[tuple[int | None, int | None]]:
        """Which new element stands for which old one: equal ones first, then objects as they come (an edit)."""
        if name in self.described.ordered:
            count = max(len(new), len(old))
            return [(i if i < len(new) else None, i if i < len(old) else None) for i in range(count)]
        left = list(range(len(old)))
        pairs: list[tuple[int | None, int | None]] = []
        unmatched: list[int] = []
        for index, item in enumerate(new):
            match = next((i for i in left if not self.walk(path, name, item, old[i], kind)), None)
            if match is None:
                unmatched.append(index)
            else:
                left.remove(match)
                pairs.append((index, match))
        for index in unmatched:
            is_edit = left and isinstance(new[index], Mapping)
            pairs.append((index, left.pop(0) if is_edit else None))
        return pairs + [(None, index) for index in left]


def changes(
    described: Type,
    schema: Schema,
    *,
    new: Mapping[str, Any],
    old: Mapping[str, Any],
    state: Mapping[str, Any],
    ignore: Sequence[str] = (),
) -> list[Change]:
    """Every difference between the `new` inputs and the `state`; `old` are the inputs of the last deployment."""
    resource = schema.resources[described.token]
    comparison = _Comparison(described, schema)
    found: list[Change] = []
    for name, kind in resource.inputs.items():
        if name == "region" or _silent(name, new, old, state, resource):
            continue
        kind = resource.outputs.get(name, kind)  # outputs tell what AWS computes
        found += comparison.walk(name, name, new.get(name), state.get(name), kind, old.get(name))
    return [_with_replacement(change, described, new) for change in found if not _ignored(change.path, ignore)]


def _silent(
    name: str, new: Mapping[str, Any], old: Mapping[str, Any], state: Mapping[str, Any], resource: Resource
) -> bool:
    """A property the program does not set, and AWS may therefore choose."""
    if new.get(name) is not None:
        return False
    return resource.is_computed(name) or (is_empty(state.get(name)) and is_empty(old.get(name)))


def _with_replacement(change: Change, described: Type, new: Mapping[str, Any]) -> Change:
    name = change.property
    elsewhere = {name for setting in described.settings for name in setting.properties}
    elsewhere |= {items.property for items in described.items} | {"tags", *described.ignored}
    all_replace = "*" in described.replaces and name not in elsewhere
    switch = described.replaces_when.get(name)
    replaces = all_replace or name in described.replaces or bool(switch and new.get(switch))
    return Change(change.path, change.kind, replaces)


def _ignored(path: str, ignore: Sequence[str]) -> bool:
    """Whether `path` is or lies below an entry of `ignoreChanges` (`*` stands for any key or index)."""
    for entry in ignore:
        pattern = re.escape(entry).replace(r"\*", r"[^.\[\]]+")
        if re.match(rf"{pattern}(?:$|[.\[])", path):
            return True
    return False


def changed_properties(found: Iterable[Change]) -> set[str]:
    """The top-level properties of some changes."""
    return {change.property for change in found}


@dataclass(frozen=True, slots=True)
class ItemChanges:
    """Elements of a child list to add, to remove and, where the type can, to change in place."""

    added: list[Any]
    removed: list[Any]
    changed: list[Any]


def item_changes(described: Type, schema: Schema, items: Items, new: Sequence[Any], old: Sequence[Any]) -> ItemChanges:
    """How to get from the `old` elements of a child list to the `new` ones."""
    if items.flatten is not None:
        flat_new, flat_old = items.flatten(new), items.flatten(old)
        return ItemChanges(
            [item for item in flat_new if item not in flat_old], [item for item in flat_old if item not in flat_new], []
        )
    comparison, name = _Comparison(described, schema), items.property
    kind = element(schema.resources[described.token].outputs.get(name, "[]any"))
    matched = {
        (n, o)
        for n, o in comparison._pairs(name, name, list(new), list(old), kind)
        if n is not None and o is not None and not comparison.walk("", name, new[n], old[o], kind)
    }
    added = [item for index, item in enumerate(new) if index not in {n for n, _ in matched}]
    removed = [item for index, item in enumerate(old) if index not in {o for _, o in matched}]
    if items.change is None or items.key is None:
        return ItemChanges(added, removed, [])
    keys_new, keys_old = ({item.get(items.key) for item in elements} for elements in (added, removed))
    return ItemChanges(
        [item for item in added if item.get(items.key) not in keys_old],
        [item for item in removed if item.get(items.key) not in keys_new],
        [item for item in added if item.get(items.key) in keys_old],
    )


def _as_set(elements: Iterable[Any]) -> set[str]:
    return {json.dumps(item, sort_keys=True, default=str) for item in elements}


def is_empty(value: Any) -> bool:
    """What AWS and the SDK use for "not set": absent, "", false, 0, an empty list or object."""
    if isinstance(value, Mapping):
        return all(is_empty(item) for item in value.values())
    if isinstance(value, list | tuple):
        return not value
    return value is None or value in ("", False, 0)


def _scalar(value: Any) -> Any:
    """`"8"` and `8`, `"true"` and `true` are the same to the SDK."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value
