"""Sources that several types share: parts of an id, and JSON policies, which compare by meaning and not by text."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.aws_provider.description import Source, View

__all__ = ["given", "id_part", "policy_found", "policy_meaning", "policy_sent", "remembered"]


def id_part(index: int, separator: str) -> Source:
    """One part of an id that joins several names; the last of two parts may hold the separator."""

    def part(view: View) -> str:
        return view.id.split(separator, 1)[index]

    return part


def given(name: str, found: Callable[[View], Any]) -> Source:
    """What AWS says, but only where the program sets `name`: for values that moto invents or AWS fills in silently."""

    def value(view: View) -> Any:
        return found(view) if view.inputs.get(name) is not None else None

    return value


def remembered(name: str, default: Any) -> Source:
    """An input that AWS does not keep; an import takes the default, as a program without it would."""

    def value(view: View) -> Any:
        return view.inputs.get(name, view.outputs.get(name, default))

    return value


def policy_sent(name: str) -> Source:
    """The policy input `name` as the JSON text that AWS takes; the SDK also allows an object there."""

    def text(view: View) -> str | None:
        policy = view.inputs.get(name)
        return json.dumps(policy) if isinstance(policy, Mapping) else policy

    return text


def policy_found(name: str, found: Callable[[View], Any]) -> Source:
    """AWS's policy as JSON text; the program's own text where both mean the same, as the official plugin does."""

    def text(view: View) -> str | None:
        policy = found(view)
        if not policy:
            return None
        for known in (view.inputs.get(name), view.outputs.get(name)):
            if isinstance(known, str) and policy_meaning(known) == policy_meaning(policy):
                return known
        return policy if isinstance(policy, str) else json.dumps(policy)

    return text


def policy_meaning(policy: Any) -> Any:
    """A policy (text or object) in a form that is equal for equal meanings.

    Order of statements, actions, principals and condition values does not matter to IAM, nor whether a single value
    stands alone or in a list; the order of keys never does.
    """
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except ValueError:
            return policy
    return _normal(policy)


def _normal(node: Any) -> Any:
    if isinstance(node, Mapping):
        return {key: _normal(child) for key, child in node.items() if child is not None}
    if isinstance(node, list | tuple):
        items = sorted((_normal(child) for child in node), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    return str(node).lower() if isinstance(node, bool) else node
