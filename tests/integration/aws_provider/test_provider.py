"""The provider's own answers to the engine, without an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2

from sandbox.aws_provider.provider import AwsProvider
from sandbox.plugin import (
    UNKNOWN,
    DiffRequest,
    PartialResourceError,
    PluginError,
    contains_unknown,
    plain_map,
    value_map,
)
from tests.integration.aws_provider.support_world import REGION, World

T = TypeVar("T")
VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"


class Engine:
    """Calls a configured provider as the engine does."""

    def __init__(self, world: World, folder: Path, **inputs: Any) -> None:
        self.provider = AwsProvider(run="1", environment={"PULUMI_BACKEND_URL": f"file://{folder}"})
        inputs = {"region": REGION, "endpoints": [{"ec2": world.endpoint, "sts": world.endpoint}]} | inputs
        self.wait(self.provider.configure(protocol.ConfigureRequest({}, value_map(inputs), True, True)))

    def wait(self, call: Awaitable[T]) -> T:
        async def waited() -> T:
            return await call

        return asyncio.run(waited())

    def create(self, token: str, *, preview: bool = False, **inputs: Any) -> tuple[str | None, dict[str, Any]]:
        request = protocol.CreateRequest(urn(token), value_map(inputs), 0, preview)
        found = self.wait(self.provider.create(request))
        return found.resource_id, plain_map(found.properties)

    def diff(self, token: str, old: dict[str, Any], state: dict[str, Any], **new: Any) -> protocol.DiffResponse:
        """As the engine asks, with the inputs of the last deployment."""

        def struct(items: dict[str, Any]) -> Any:
            return PropertyValue.marshal_map(value_map(items))

        message = provider_pb2.DiffRequest(
            urn=urn(token), id="x", olds=struct(old | state), news=struct(new), old_inputs=struct(old)
        )
        return self.wait(self.provider.diff(DiffRequest(message)))


def urn(token: str) -> str:
    return f"urn:pulumi:s::p::{token}::x"


@pytest.fixture
def engine(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("SEEKSTACK_HOME", str(tmp_path))
    return Engine(world, tmp_path)


def test_a_preview_knows_inputs_and_calls_nothing(engine: Engine, world: World) -> None:
    found, outputs = engine.create(VPC, preview=True, cidrBlock="10.0.0.0/16", tags={"a": "1"})
    assert found is None
    assert (outputs["cidrBlock"], outputs["tagsAll"], outputs["region"]) == ("10.0.0.0/16", {"a": "1"}, REGION)
    assert outputs["arn"] is UNKNOWN
    assert world.left() == {}


def test_a_create_knows_everything(engine: Engine, world: World) -> None:
    found, outputs = engine.create(VPC, cidrBlock="10.0.0.0/16", __defaults=["x"])
    assert world.left()["ec2:vpc"] == [found]
    assert not contains_unknown(outputs)
    assert "__defaults" not in outputs


def test_a_read_of_what_is_gone_says_so_with_an_empty_answer(engine: Engine) -> None:
    request = protocol.ReadRequest(urn(VPC), "vpc-00000000", value_map({"region": REGION}), {})
    found = engine.wait(engine.provider.read(request))
    assert (found.resource_id, found.properties, found.inputs) == (None, {}, {})


def test_a_refresh_updates_the_inputs_the_program_gave(engine: Engine, world: World) -> None:
    inputs = {"cidrBlock": "10.0.0.0/16", "tags": {"a": "1"}, "enableDnsSupport": True}
    found, outputs = engine.create(VPC, **inputs)
    world.client("ec2").create_tags(Resources=[found], Tags=[{"Key": "a", "Value": "2"}])
    request = protocol.ReadRequest(urn(VPC), str(found), value_map(outputs), value_map(inputs))
    read = engine.wait(engine.provider.read(request))
    assert plain_map(read.inputs) == inputs | {"tags": {"a": "2"}}


def test_another_region_replaces(engine: Engine) -> None:
    inputs = {"cidrBlock": "10.0.0.0/16"}
    assert engine.diff(VPC, inputs, {"region": "us-east-1"}, **inputs).replaces == ["region"]


def test_a_replacement_that_would_collide_deletes_first(engine: Engine) -> None:
    old = {"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/24", "availabilityZone": "a"}
    same_range = engine.diff(SUBNET, old, {}, **(old | {"availabilityZone": "b"}))
    assert same_range.replaces == ["availabilityZone"]
    assert same_range.delete_before_replace
    assert same_range.detailed_diff["availabilityZone"].kind is protocol.PropertyDiffKind.UPDATE_REPLACE
    assert not engine.diff(SUBNET, old, {}, **(old | {"cidrBlock": "10.0.1.0/24"})).delete_before_replace


def test_a_replacement_with_a_chosen_name_gets_another_and_is_created_first(engine: Engine) -> None:
    group = "aws:ec2/securityGroup:SecurityGroup"
    chosen = {"name": "x-1234567", "vpcId": "vpc-1", "description": "a", "__defaults": ["name"]}
    assert not engine.diff(group, chosen, {}, **(chosen | {"description": "b"})).delete_before_replace
    given = chosen | {"__defaults": []}
    assert engine.diff(group, given, {}, **(given | {"description": "b"})).delete_before_replace


def test_an_account_that_is_not_allowed_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="AWS Account ID not allowed"):
        Engine(world, tmp_path, allowedAccountIds=["000000000000"])


def test_a_create_that_fails_half_way_is_kept_in_state(engine: Engine, world: World) -> None:
    bad_rule = {"protocol": "tcp", "fromPort": 1, "toPort": 1, "cidrBlocks": ["not-a-cidr"]}
    vpc, _ = engine.create(VPC, cidrBlock="10.0.0.0/16")
    with pytest.raises(PartialResourceError) as caught:
        engine.create(
            "aws:ec2/securityGroup:SecurityGroup", vpcId=vpc, name="half", description="x", ingress=[bad_rule]
        )
    assert world.left()["ec2:security-group"] == [caught.value.resource_id]
    assert caught.value.properties["name"] == "half"
    assert caught.value.inputs["ingress"] == [bad_rule]


def test_a_type_that_is_not_described_is_refused(engine: Engine) -> None:
    with pytest.raises(PluginError, match=r"aws:sqs/queue:Queue.*does not have this type"):
        engine.create("aws:sqs/queue:Queue")
    with pytest.raises(PluginError, match=r"aws:sqs/getQueue:getQueue.*does not have"):
        engine.wait(engine.provider.invoke(protocol.InvokeRequest("aws:sqs/getQueue:getQueue", {})))
