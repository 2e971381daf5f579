"""What a killed run leaves behind, and how the next run removes it."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sandbox.aws_provider import recovery
from sandbox.aws_provider.clients import Clients, Configuration
from sandbox.aws_provider.journal import Journal
from sandbox.aws_provider.lifecycle import Lifecycle
from sandbox.aws_provider.types import TYPES
from sandbox.checkpoint import recorded_ids
from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import REGION, World

VPC, SUBNET, ROUTE = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/route:Route"


class Killed(BaseException):
    """Stands for kill -9: nothing after it runs, not even an except block."""


class Run:
    """One engine run of stack `s` of project `p`: its journal, and what the engine wrote down."""

    def __init__(self, world: World, folder: Path, name: str) -> None:
        self.world, self.folder = world, folder
        self.backend = f"file://{folder}"
        self.journal = Journal(folder / "p-s.jsonl", backend=self.backend, run=name)

    def create(self, token: str, **inputs: Any) -> tuple[str, dict[str, Any]]:
        urn = f"urn:pulumi:s::p::{token}::x"
        return self.lifecycle(token).create(urn, inputs, REGION, self.journal)

    def lifecycle(self, token: str) -> Lifecycle:
        return Lifecycle(TYPES[token], self.world.schema, self.world.clients)

    def record(self, *resources: tuple[str, str]) -> None:
        """The engine's checkpoint."""
        file = self.folder / ".pulumi" / "stacks" / "p" / "s.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        entries = [{"type": token, "id": found} for token, found in resources]
        file.write_text(json.dumps({"checkpoint": {"latest": {"resources": entries}}}))

    def recover(self) -> list[str]:
        return recovery.recover(self.journal, self.backend, "p", "s", self.lifecycle)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "YOUNG_PAUSE_SECONDS", 0.05)


def killed_after_the_call(run: Run, token: str, **inputs: Any) -> None:
    """The create reached AWS, and its answer reached nobody."""

    def die(*_: Any) -> None:
        raise Killed

    run.journal.created = die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        run.create(token, **inputs)


def test_a_resource_whose_answer_nobody_got_is_found_by_its_token_and_removed(world: World, tmp_path: Path) -> None:
    killed_after_the_call(Run(world, tmp_path, "1"), VPC, cidrBlock="10.0.0.0/16")
    left = world.left()["ec2:vpc"]
    after = Run(world, tmp_path, "2")
    after.record()
    assert after.recover() == [f"removed {VPC} {left[0]} left by an interrupted run"]
    assert world.left() == {}
    assert after.recover() == []


def test_a_resource_that_the_engine_had_not_written_down_is_removed(world: World, tmp_path: Path) -> None:
    found, _ = Run(world, tmp_path, "1").create(VPC, cidrBlock="10.0.0.0/16")
    after = Run(world, tmp_path, "2")
    after.record((VPC, "vpc-of-another"))
    assert after.recover() == [f"removed {VPC} {found} left by an interrupted run"]
    assert world.left() == {}


def test_what_the_engine_wrote_down_stays(world: World, tmp_path: Path) -> None:
    found, _ = Run(world, tmp_path, "1").create(VPC, cidrBlock="10.0.0.0/16")
    after = Run(world, tmp_path, "2")
    after.record((VPC, found))
    assert after.recover() == []
    assert world.left()["ec2:vpc"] == [found]
    assert after.journal.open_intents() == []


def test_a_call_that_never_left_leaves_nothing_to_do(world: World, tmp_path: Path) -> None:
    first = Run(world, tmp_path, "1")
    first.journal.begin(first.lifecycle(VPC).document(REGION), TYPES[VPC], "urn:x")
    after = Run(world, tmp_path, "2")
    after.record()
    assert after.recover() == []
    assert after.journal.open_intents() == []


def test_a_call_still_on_its_way_is_waited_for(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Run(world, tmp_path, "1")
    token = first.journal.begin(first.lifecycle(VPC).document(REGION), TYPES[VPC], "urn:x")

    def arrive(_: float) -> None:
        with world.clients.token(token):
            world.clients.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")

    monkeypatch.setattr(recovery, "time", SimpleNamespace(time=time.time, sleep=arrive))
    after = Run(world, tmp_path, "2")
    after.record()
    assert len(after.recover()) == 1
    assert world.left() == {}


def test_orphans_that_hold_each_other_go_in_the_right_order(world: World, tmp_path: Path) -> None:
    first = Run(world, tmp_path, "1")
    vpc, _ = first.create(VPC, cidrBlock="10.0.0.0/16")
    first.create(SUBNET, vpcId=vpc, cidrBlock="10.0.0.0/24")
    first.create("aws:ec2/internetGateway:InternetGateway", vpcId=vpc)
    first.create("aws:ec2/securityGroup:SecurityGroup", vpcId=vpc, name="recovered", description="x")
    after = Run(world, tmp_path, "2")
    after.record()
    assert len(after.recover()) == 4
    assert world.left() == {}


def test_a_resource_whose_id_is_made_of_inputs_is_found_again(world: World, tmp_path: Path) -> None:
    first = Run(world, tmp_path, "1")
    vpc, _ = first.create(VPC, cidrBlock="10.0.0.0/16")
    gateway, _ = first.create("aws:ec2/internetGateway:InternetGateway", vpcId=vpc)
    table, _ = first.create("aws:ec2/routeTable:RouteTable", vpcId=vpc)
    killed_after_the_call(first, ROUTE, routeTableId=table, destinationCidrBlock="172.16.0.0/12", gatewayId=gateway)
    killed_after_the_call(first, "aws:s3/bucket:Bucket", bucket="recovered-bucket")
    killed_after_the_call(
        first, "aws:iam/role:Role", name="recovered-role", assumeRolePolicy='{"Version": "2012-10-17", "Statement": []}'
    )
    after = Run(world, tmp_path, "2")
    kept = (VPC, vpc), ("aws:ec2/internetGateway:InternetGateway", gateway), ("aws:ec2/routeTable:RouteTable", table)
    after.record(*kept)
    assert len(after.recover()) == 3
    routes = world.client("ec2").describe_route_tables(RouteTableIds=[table])["RouteTables"][0]["Routes"]
    assert [route["GatewayId"] for route in routes] == ["local"]
    assert set(world.left()) == {"ec2:vpc", "ec2:internet-gateway", "ec2:route-table"}


def test_an_unreadable_backend_leaves_everything_alone(world: World, tmp_path: Path) -> None:
    found, _ = Run(world, tmp_path, "1").create(VPC, cidrBlock="10.0.0.0/16")
    after = Run(world, tmp_path, "2")
    lines = recovery.recover(after.journal, "s3://bucket", "p", "s", after.lifecycle)
    assert lines == ["an interrupted run cannot be cleaned up after: the backend 's3' is not a folder"]
    assert found in world.left()["ec2:vpc"]


def test_a_fake_that_breaks_off_is_told_with_the_fix(world: World, tmp_path: Path) -> None:
    first = Run(world, tmp_path, "1")
    first.journal.begin(first.lifecycle(VPC).document(REGION), TYPES[VPC], "urn:x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        broken = Clients(Configuration(REGION, {"*": f"http://127.0.0.1:{server.getsockname()[1]}"}))
        answering = threading.Thread(target=answer_nonsense, args=(server,))
        answering.start()
        after = Run(World(world.endpoint, broken), tmp_path, "2")
        after.record()
        with pytest.raises(
            PluginError, match=r"cleaning up .*: the fake AWS at http://127\.0\.0\.1:\d+ does not answer"
        ):
            after.recover()
        answering.join()
    assert len(after.journal.open_intents()) == 1


def answer_nonsense(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(b"no HTTP at all\r\n")


def test_what_was_deleted_to_be_made_anew_does_not_count_as_recorded(tmp_path: Path) -> None:
    file = tmp_path / ".pulumi" / "stacks" / "p" / "s.json"
    file.parent.mkdir(parents=True)
    entries = [{"type": "t", "id": "lives"}, {"type": "t", "id": "went", "pendingReplacement": True}]
    file.write_text(json.dumps({"checkpoint": {"latest": {"resources": entries}}}))
    assert recorded_ids(f"file://{tmp_path}", "p", "s") == {("t", "lives")}


def test_a_refused_create_is_not_taken_for_an_orphan(world: World, tmp_path: Path) -> None:
    role = {"name": "somebody-elses", "assumeRolePolicy": '{"Version": "2012-10-17", "Statement": []}'}
    world.client("iam").create_role(RoleName=role["name"], AssumeRolePolicyDocument=role["assumeRolePolicy"])
    with pytest.raises(PluginError, match="EntityAlreadyExists"):
        Run(world, tmp_path, "1").create("aws:iam/role:Role", **role)
    after = Run(world, tmp_path, "2")
    after.record()
    assert after.recover() == []
    assert world.client("iam").get_role(RoleName=role["name"])


def test_an_orphan_that_cannot_go_is_said_and_tried_again_next_time(world: World, tmp_path: Path) -> None:
    vpc, _ = Run(world, tmp_path, "1").create(VPC, cidrBlock="10.0.0.0/16")
    subnet = world.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    after = Run(world, tmp_path, "2")
    after.record()
    assert after.recover()[0].startswith(f"could not remove {VPC} {vpc} left by an interrupted run: deleting urn:")
    world.client("ec2").delete_subnet(SubnetId=subnet)
    assert after.recover() == [f"removed {VPC} {vpc} left by an interrupted run"]
