"""What expressions of a description are evaluated over; see `description`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sandbox.aws_provider.clients import Clients
from sandbox.aws_provider.description import Source

__all__ = ["Document", "search"]


@dataclass(slots=True)
class Document:
    """One resource while it is worked on: a `description.View`, and the mapping that JMESPath sees."""

    clients: Clients
    region: str
    id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    old: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    it: Any = None
    item: Any = None
    item_property: str = ""
    response: Mapping[str, Any] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)
    tags: Any = None
    tag_keys: list[str] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The account id."""
        return self.clients.account

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.clients.partition(self.region)[0]

    def call(self, service: str, operation: str, **members: Any) -> dict[str, Any]:
        """A plain boto3 call."""
        answer: dict[str, Any] = getattr(self.clients.client(service, self.region), operation)(**members)
        return answer

    def evaluate(self, source: Source) -> Any:
        """The value of an expression, or of a function of this document."""
        return source(self) if callable(source) else search(source, self._mapping(source))

    def _mapping(self, expression: str) -> dict[str, Any]:
        names = ("id", "inputs", "old", "outputs", "it", "item", "response", "more", "region", "tags", "tag_keys")
        mapping: dict[str, Any] = {name: getattr(self, name) for name in names}
        if "account" in expression:
            mapping["account"] = self.account
        mapping["partition"], mapping["dns_suffix"] = self.clients.partition(self.region)
        return mapping


def search(expression: str, document: Any) -> Any:
    """The value of a JMESPath expression."""
    return _compiled(expression).search(document)


@lru_cache(maxsize=2048)
def _compiled(expression: str) -> Any:
    import jmespath  # 20 ms that the engine need not wait for the port

    return jmespath.compile(expression)
