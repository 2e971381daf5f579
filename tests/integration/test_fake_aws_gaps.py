"""What moto does not model, of all that our types call: the list, made by asking the fake."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox import fake_aws
from sandbox.aws_provider.description import Call, Type
from sandbox.aws_provider.types import TYPES
from sandbox.paths import SandboxHome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # a daemon, on purpose
]

# Changes of this list are news for docs and users: an entry that moto has learnt goes, a new gap of our types comes.
KNOWN_GAPS = {
    "autoscaling.DisableMetricsCollection",
    "ec2.MonitorInstances",
    "ec2.UnmonitorInstances",
    "eks.UpdateClusterVersion",
    "eks.UpdateNodegroupVersion",
    "logs.AssociateKmsKey",
    "logs.DisassociateKmsKey",
}


def test_lists_the_calls_of_our_types_that_moto_does_not_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    home = SandboxHome(tmp_path_factory.mktemp("gaps"))
    try:
        endpoint = fake_aws.start(home)
        used = sorted({call for described in TYPES.values() for call in operations(described)})
        for service, operation in used:
            ask(endpoint, service, operation)
        gaps = {
            f"{call['service']}.{call['operation']}"
            for call in fake_aws.not_modelled(endpoint)
            if not call["reason"].startswith("moto failed")  # there is a model, and our empty request upset it
        }
    finally:
        fake_aws.stop(home)
    assert len(used) > 50
    assert gaps == KNOWN_GAPS


def operations(described: Type) -> Iterator[tuple[str, str]]:
    """Every call in a description."""
    updates = [described.update] if isinstance(described.update, Call) else list(described.update or ())
    calls: list[Call | None] = [described.create, described.read, *updates]
    calls += [*described.delete, *described.before_delete, *described.more.values()]
    calls += chain.from_iterable((*setting.calls, *setting.unset) for setting in described.settings)
    calls += chain.from_iterable((items.add, items.remove, items.change, *items.start) for items in described.items)
    if described.tags is not None:
        calls += [described.tags.add, described.tags.remove]
    return ((call.service or described.service, call.operation) for call in calls if call is not None)


def ask(endpoint: str, service: str, operation: str) -> None:
    """Call an operation with the least that its shape demands; only who answers matters, not what."""
    client = boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="eu-central-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, parameter_validation=False, s3={"addressing_style": "path"}),
    )
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).input_shape
    try:
        getattr(client, operation)(**(least(shape) if shape is not None else {}))
    except ClientError:
        return


def least(shape: Any) -> Any:
    """The smallest value of a botocore shape."""
    if shape.type_name == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    if shape.type_name == "list":
        return [least(shape.member)]
    if shape.type_name == "map":
        return {}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "example"
    return {"boolean": False, "blob": b"x", "timestamp": "2026-01-01T00:00:00Z"}.get(shape.type_name, 1)
