"""Networks of the EC2 target on the real engine: a way out for staging, routes to the intranet, a VPC that exists."""

import boto3
import pytest

from infra.errors import ToolError
from sandbox.paths import PROJECT_ROOT
from tests.support_kill import orphans
from tests.support_sandbox import sandbox_at


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with sandbox_at(tmp_path_factory.mktemp("network")) as running:
        yield running


@pytest.fixture
def stack(sandbox):
    """The dev stack, not yet created; destroyed again at the end, after which the fake holds what it held before."""
    before = sandbox.existing()
    original = (PROJECT_ROOT / "Pulumi.dev.yaml").read_text()
    file = sandbox.project / "Pulumi.dev.yaml"
    file.write_text(original)
    dev = sandbox.stack("dev")
    yield dev
    file.write_text(original)
    dev.destroy()
    dev.remove()
    assert sandbox.existing() == before


@pytest.fixture(scope="module")
def ec2(sandbox):
    return boto3.client(
        "ec2", endpoint_url=sandbox.endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


@pytest.fixture(scope="module")
def transit_gateway(ec2):
    return ec2.create_transit_gateway()["TransitGateway"]["TransitGatewayId"]


@pytest.fixture(scope="module")
def vpc(ec2):
    """(VPC, its subnets in two zones): private, and able to resolve names."""
    identity = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=identity, EnableDnsHostnames={"Value": True})
    made = [
        ec2.create_subnet(VpcId=identity, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")
        for number, zone in enumerate("db")
    ]
    return identity, [subnet["Subnet"]["SubnetId"] for subnet in made]


def test_a_way_out_for_staging_and_a_route_come_and_go_and_no_subnet_moves(sandbox, stack, transit_gateway):
    before = sandbox.existing()  # another test's VPC may be among it
    sandbox.configure(
        "dev", natForStaging="true", routes=f"[{{cidr: 192.168.0.0/16, target: {transit_gateway}}}]"
    )  # fmt: skip
    planned = {change.urn for change in stack.preview().changes}
    stack.up()
    assert {resource["urn"] for resource in stack.resources()} == {
        urn for urn in planned if not urn.endswith("pulumi:pulumi:Stack::seekstack-dev")
    }
    assert stack.preview().changes == ()
    assert orphans(stack, sandbox.endpoint) == before
    sandbox.configure("dev", natForStaging="false", routes="[]")
    changes = stack.preview().changes
    assert {change.operation for change in changes} == {"delete"}
    assert {change.name.partition("-")[0] for change in changes if change.name != "network-route-0"} == {"staging"}
    stack.up()
    assert stack.preview("--refresh").changes == ()


def test_an_existing_vpc_takes_the_servers_and_is_left_as_it_was(sandbox, stack, vpc):
    identity, subnets = vpc
    sandbox.configure("dev", vpcId=identity, subnetIds=f"[{', '.join(subnets)}]")
    planned = {change.urn for change in stack.preview().changes}
    stack.up()
    assert {resource["urn"] for resource in stack.resources()} == {
        urn for urn in planned if not urn.endswith("pulumi:pulumi:Stack::seekstack-dev")
    }
    made = {resource["type"] for resource in stack.resources()}
    assert not made & {"aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:ec2/routeTable:RouteTable"}
    assert stack.outputs()["vpcId"] == identity
    assert stack.outputs()["endpoint"].startswith("http://10.9.0.")
    assert stack.preview("--refresh").changes == ()


def test_a_public_subnet_is_refused_before_anything_is_made(sandbox, stack, ec2):
    identity = ec2.create_vpc(CidrBlock="10.8.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=identity, CidrBlock="10.8.0.0/24", AvailabilityZone="us-east-1a")["Subnet"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=identity)
    main = [{"Name": "vpc-id", "Values": [identity]}]
    table = ec2.describe_route_tables(Filters=main)["RouteTables"][0]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    sandbox.configure("dev", vpcId=identity, subnetIds=f"[{subnet['SubnetId']}, subnet-0123456789abcdef0]")
    with pytest.raises(ToolError, match="SKS0402"):  # the second one does not exist
        stack.preview()
    sandbox.configure("dev", subnetIds=f"[{subnet['SubnetId']}]")
    with pytest.raises(ToolError) as caught:
        stack.preview()
    told = str(caught.value)
    assert "SKS0407" in told
    assert "leads to an internet gateway" in told
    assert "SKS0408" in told
    assert "Traceback" not in told
    ec2.delete_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0")
    ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=identity)
    ec2.delete_internet_gateway(InternetGatewayId=gateway)
    ec2.delete_subnet(SubnetId=subnet["SubnetId"])
    ec2.delete_vpc(VpcId=identity)
