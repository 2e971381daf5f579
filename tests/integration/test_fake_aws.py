"""The fake AWS as a process: starting, finding, stopping, its ledger, its census and its honesty."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra.errors import ToolError
from sandbox import fake_aws, processes
from sandbox.fake_aws_seeds import IMAGES
from sandbox.paths import SandboxHome

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning"),  # a daemon, on purpose
]

REGION = "eu-central-1"
Clients = Callable[..., Any]


def connect(endpoint: str, service: str, region: str = REGION) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
    )


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = SandboxHome(tmp_path_factory.mktemp("fake-aws"))
    yield fake_aws.start(home)
    fake_aws.stop(home)


@pytest.fixture
def clients(endpoint: str) -> Clients:
    fake_aws.reset(endpoint)
    return lambda service, region=REGION: connect(endpoint, service, region)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[SandboxHome]:
    home = SandboxHome(tmp_path)
    yield home
    fake_aws.stop(home)


def post(endpoint: str, headers: dict[str, str], body: bytes, *, length: int | None = None) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=120)
    scope = f"20261124/{REGION}/ec2/aws4_request"
    connection.putrequest("POST", "/")
    connection.putheader("Authorization", f"AWS4-HMAC-SHA256 Credential=test/{scope}, SignedHeaders=host, Signature=0")
    connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.putheader("Content-Length", str(len(body) if length is None else length))
    for name, text in headers.items():
        connection.putheader(name, text)
    connection.endheaders(body)
    if length is not None:
        connection.sock.shutdown(1)
    response = connection.getresponse()
    answer = response.status, response.read()
    connection.close()
    return answer


def create_vpc(endpoint: str, token: str, **headers: str) -> tuple[int, bytes]:
    body = b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16"
    return post(endpoint, {"X-Seekstack-Token": token, **headers}, body)


# --- the process ---------------------------------------------------------------------------------------------------


def test_a_second_start_finds_the_first_and_keeps_its_state(home: SandboxHome) -> None:
    first = fake_aws.start(home)
    vpc = connect(first, "ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    assert fake_aws.start(home) == first == fake_aws.endpoint(home)
    assert fake_aws.existing(first)["ec2:vpc"] == [vpc]
    assert first.startswith("http://127.0.0.1:")


def test_stops_at_sigterm_by_itself_and_leaves_no_file_but_the_log(home: SandboxHome) -> None:
    endpoint = fake_aws.start(home)
    connect(endpoint, "ec2").describe_vpcs()
    pid = processes.pid_of(home.run / "fake-aws.pid")
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    assert processes.wait_until(lambda: not processes.is_running(home.run / "fake-aws.pid"), timeout_seconds=60)
    assert not (home.run / "fake-aws.json").exists()
    assert "stopped" in (home.logs / "fake-aws.log").read_text()
    assert fake_aws.stop(home) is False


def test_starts_afresh_after_a_kill_that_left_stale_files(home: SandboxHome) -> None:
    first = fake_aws.start(home)
    pid = processes.pid_of(home.run / "fake-aws.pid")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_until(lambda: fake_aws.endpoint(home) is None, timeout_seconds=60)
    assert (home.run / "fake-aws.json").exists()
    second = fake_aws.start(home)
    assert fake_aws.existing(second) == {}
    assert second == fake_aws.endpoint(home)
    del first


def test_the_next_start_has_the_same_port_for_shells_that_know_it(home: SandboxHome) -> None:
    first = fake_aws.start(home)
    fake_aws.stop(home)
    assert fake_aws.start(home) == first


def test_a_port_that_somebody_else_has_now_is_replaced(home: SandboxHome) -> None:
    first = fake_aws.start(home)
    fake_aws.stop(home)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", urlsplit(first).port or 0))
        squatter.listen()
        second = fake_aws.start(home)
    assert second != first
    assert fake_aws.existing(second) == {}


def test_starts_at_the_same_time_share_one_process(home: SandboxHome) -> None:
    with ThreadPoolExecutor(3) as pool:
        endpoints = set(pool.map(lambda _: fake_aws.start(home), range(3)))
    assert len(endpoints) == 1


def test_a_start_that_fails_says_why(home: SandboxHome, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho No module named moto >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(fake_aws.sys, "executable", str(broken))
    with pytest.raises(ToolError, match="No module named moto") as caught:
        fake_aws.start(home)
    assert "uv sync --extra sandbox" in str(caught.value)


def test_an_endpoint_that_is_gone_is_named(home: SandboxHome) -> None:
    endpoint = fake_aws.start(home)
    fake_aws.stop(home)
    with pytest.raises(ToolError, match="does not answer"):
        fake_aws.existing(endpoint)


def test_health_is_ours_and_unknown_routes_are_refused(endpoint: str) -> None:
    assert fake_aws._ask(endpoint, "GET", "/seekstack/health")["status"] == "ok"
    with pytest.raises(ToolError, match="404"):
        fake_aws._ask(endpoint, "GET", "/seekstack/nothing")


# --- the ledger ----------------------------------------------------------------------------------------------------


def test_a_token_creates_once_even_when_asked_by_many_at_a_time(endpoint: str, clients: Clients) -> None:
    with ThreadPoolExecutor(6) as pool:
        answers = set(pool.map(lambda _: create_vpc(endpoint, "one"), range(6)))
    assert len(answers) == 1
    assert len(fake_aws.existing(endpoint)["ec2:vpc"]) == 1
    assert create_vpc(endpoint, "two") not in answers
    del clients


def test_replay_only_never_creates(endpoint: str, clients: Clients) -> None:
    assert create_vpc(endpoint, "x", **{"X-Seekstack-Replay": "only"}) == (404, b"unknown token")
    assert fake_aws.existing(endpoint) == {}
    first = create_vpc(endpoint, "x")
    assert create_vpc(endpoint, "x", **{"X-Seekstack-Replay": "only"}) == first
    del clients


def test_a_caller_that_dies_while_sending_creates_nothing(endpoint: str, clients: Clients) -> None:
    body = b"Action=CreateVpc&Version=2016-11-15&CidrBlock=10.0.0.0%2F16"
    status, _ = post(endpoint, {"X-Seekstack-Token": "cut"}, body, length=len(body) + 20)
    assert status == 400
    assert fake_aws.existing(endpoint) == {}
    del clients


def test_concurrent_creates_and_reads_do_not_disturb_each_other(endpoint: str, clients: Clients) -> None:
    ec2 = clients("ec2")

    def work(number: int) -> int:
        if number % 2:
            return len(ec2.describe_security_groups()["SecurityGroups"])
        ec2.create_security_group(GroupName=f"group-{number}", Description="x")
        return 0

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    assert len(fake_aws.existing(endpoint)["ec2:security-group"]) == 30
    assert fake_aws.not_modelled(endpoint) == []


# --- the census ----------------------------------------------------------------------------------------------------


def test_nothing_exists_at_first_in_any_region_that_was_looked_at(endpoint: str, clients: Clients) -> None:
    for region in ("eu-central-1", "us-east-1", "ap-southeast-1"):
        assert clients("ec2", region).describe_vpcs()["Vpcs"][0]["IsDefault"]
        clients("ssm", region).get_parameter(Name=IMAGES[0].parameter)
        clients("kms", region).describe_key(KeyId="alias/aws/ebs")
    clients("iam").list_policies(Scope="AWS", MaxItems=5)
    assert fake_aws.existing(endpoint) == {}
    assert fake_aws.derived(endpoint) == {}


def test_counts_a_network_without_what_aws_puts_into_it(endpoint: str, clients: Clients) -> None:
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)["AssociationId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    rule = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[rule])
    acl = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    found = fake_aws.existing(endpoint)
    assert {kind: len(ids) for kind, ids in found.items()} == {
        "ec2:internet-gateway": 1,
        "ec2:network-acl": 1,
        "ec2:route": 1,
        "ec2:route-table": 1,
        "ec2:route-table-association": 1,
        "ec2:security-group": 1,
        "ec2:security-group-rule": 1,
        "ec2:subnet": 1,
        "ec2:vpc": 1,
    }
    assert found["ec2:vpc"] == [vpc]
    assert found["ec2:route-table-association"] == [association]
    assert found["ec2:network-acl"] == [acl]


def test_the_route_of_a_gateway_endpoint_is_the_endpoints_own(endpoint: str, clients: Clients) -> None:
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", RouteTableIds=[table])
    assert "ec2:route" not in fake_aws.existing(endpoint)
    assert len(fake_aws.derived(endpoint)["ec2:route"]) == 1


def test_tells_a_callers_open_egress_rule_from_the_one_aws_makes(endpoint: str, clients: Clients) -> None:
    ec2 = clients("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    everything = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    assert "ec2:security-group-rule" not in fake_aws.existing(endpoint)
    ec2.revoke_security_group_egress(GroupId=group, IpPermissions=everything)
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=everything)
    assert len(fake_aws.existing(endpoint)["ec2:security-group-rule"]) == 1


def test_tells_an_attached_volume_from_the_root_volume_of_an_instance(endpoint: str, clients: Clients) -> None:
    ec2 = clients("ec2")
    image = IMAGES[0].id(REGION)
    launched = ec2.run_instances(ImageId=image, InstanceType="g5.xlarge", MinCount=1, MaxCount=1)["Instances"][0]
    zone = launched["Placement"]["AvailabilityZone"]
    volume = ec2.create_volume(AvailabilityZone=zone, Size=100)["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=launched["InstanceId"], Device="/dev/sdf")
    assert fake_aws.existing(endpoint) == {
        "ec2:instance": [launched["InstanceId"]],
        "ec2:volume": [volume],
        "ec2:volume-attachment": [f"{volume}:{launched['InstanceId']}"],
    }
    assert sorted(fake_aws.derived(endpoint)) == ["ec2:network-interface", "ec2:volume"]
    ec2.terminate_instances(InstanceIds=[launched["InstanceId"]])
    ec2.delete_volume(VolumeId=volume)
    assert fake_aws.existing(endpoint) == {}
    assert fake_aws.derived(endpoint) == {}


def test_counts_every_other_kind_and_returns_to_nothing(endpoint: str, clients: Clients) -> None:
    iam, kms, s3, ssm = clients("iam"), clients("kms"), clients("s3"), clients("ssm")
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    allow = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}})
    policy = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust)
    iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=allow)
    iam.attach_role_policy(RoleName="r", PolicyArn=policy)
    iam.create_instance_profile(InstanceProfileName="i")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/a", TargetKeyId=key)
    s3.create_bucket(Bucket="b-1", CreateBucketConfiguration={"LocationConstraint": REGION})
    ssm.put_parameter(Name="/app/x", Value="v", Type="String")
    secret = clients("secretsmanager").create_secret(Name="s", SecretString="v")["ARN"]
    clients("logs").create_log_group(logGroupName="l")
    assert fake_aws.existing(endpoint) == {
        "iam:instance-profile": ["i"],
        "iam:role": ["r"],
        "iam:role-policy": ["r:p"],
        "iam:role-policy-attachment": [f"r/{policy}"],
        "kms:alias": ["alias/a"],
        "kms:key": [key],
        "logs:log-group": ["l"],
        "s3:bucket": ["b-1"],
        "secretsmanager:secret": [secret],
        "ssm:parameter": ["/app/x"],
    }
    iam.detach_role_policy(RoleName="r", PolicyArn=policy)
    iam.delete_role_policy(RoleName="r", PolicyName="p")
    iam.delete_role(RoleName="r")
    iam.delete_instance_profile(InstanceProfileName="i")
    kms.delete_alias(AliasName="alias/a")
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    s3.delete_bucket(Bucket="b-1")
    ssm.delete_parameter(Name="/app/x")
    clients("secretsmanager").delete_secret(SecretId="s")
    clients("logs").delete_log_group(logGroupName="l")
    assert fake_aws.existing(endpoint) == {}


# --- the seeds -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["eu-central-1", "ap-southeast-1"])
def test_each_seeded_parameter_names_an_image_that_exists_in_its_region(clients: Clients, region: str) -> None:
    ssm, ec2 = clients("ssm", region), clients("ec2", region)
    for image in IMAGES:
        identity = ssm.get_parameter(Name=image.parameter)["Parameter"]["Value"]
        found = ec2.describe_images(ImageIds=[identity])["Images"][0]
        assert (found["Name"], found["Architecture"]) == (image.name, image.architecture)
        assert found["RootDeviceName"] == image.root_device


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_a_usual_filter_finds_the_gpu_image_and_amazon_linux(clients: Clients, architecture: str) -> None:
    arm = "ARM64 " if architecture == "arm64" else ""
    for pattern in (
        f"Deep Learning {arm}Base OSS Nvidia Driver GPU AMI (Amazon Linux 2023) *",
        f"al2023-ami-2023.*-kernel-6.1-{architecture}",
    ):
        filters = [{"Name": "name", "Values": [pattern]}, {"Name": "architecture", "Values": [architecture]}]
        found = clients("ec2").describe_images(Owners=["amazon"], Filters=filters)["Images"]
        assert [image["ImageOwnerAlias"] for image in found] == ["amazon"]


def test_seeds_come_back_after_a_reset(endpoint: str, clients: Clients) -> None:
    clients("ec2").describe_images(ImageIds=[IMAGES[0].id(REGION)])
    fake_aws.reset(endpoint)
    assert clients("ec2").describe_images(ImageIds=[IMAGES[0].id(REGION)])["Images"]


def test_gpu_types_are_offered_by_zone(clients: Clients) -> None:
    found = clients("ec2").describe_instance_type_offerings(
        LocationType="availability-zone", Filters=[{"Name": "instance-type", "Values": ["g5.xlarge"]}]
    )
    assert {offer["Location"] for offer in found["InstanceTypeOfferings"]} >= {f"{REGION}a", f"{REGION}b"}


def test_aws_managed_policies_can_be_attached(clients: Clients) -> None:
    found = clients("iam").get_policy(PolicyArn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore")
    assert found["Policy"]["PolicyName"] == "AmazonSSMManagedInstanceCore"


# --- what is not modelled ------------------------------------------------------------------------------------------

UNMODELLED: list[tuple[str, str, dict[str, Any]]] = [
    ("autoscaling", "start_instance_refresh", {"AutoScalingGroupName": "x"}),
    ("cloudwatch", "put_composite_alarm", {"AlarmName": "x", "AlarmRule": "y"}),
    ("ec2", "create_placement_group", {"GroupName": "x", "Strategy": "cluster"}),
    ("eks", "create_addon", {"clusterName": "c", "addonName": "a"}),
    ("eks", "create_access_entry", {"clusterName": "c", "principalArn": "a"}),
    (
        "eks",
        "create_pod_identity_association",
        {"clusterName": "c", "namespace": "n", "serviceAccount": "s", "roleArn": "r"},
    ),
    ("kms", "describe_custom_key_stores", {}),
    ("pricing", "describe_services", {}),
]


@pytest.mark.parametrize(("service", "operation", "members"), UNMODELLED, ids=[row[1] for row in UNMODELLED])
def test_says_that_a_call_is_not_modelled_and_counts_it(
    endpoint: str, clients: Clients, service: str, operation: str, members: dict[str, Any]
) -> None:
    for _ in range(2):
        with pytest.raises(ClientError, match="not modelled by the sandbox") as caught:
            getattr(clients(service), operation)(**members)
        assert caught.value.response["Error"]["Code"] == "NotModelledBySandbox"
    name = caught.value.operation_name
    assert [(call["service"], call["operation"], call["count"]) for call in fake_aws.not_modelled(endpoint)] == [
        (service, name, 2)
    ]
    del clients


def test_an_honest_error_of_aws_stays_as_it_is(endpoint: str, clients: Clients) -> None:
    for service, operation, members, code in (
        ("eks", "describe_cluster", {"name": "nope"}, "ResourceNotFoundException"),
        ("s3", "head_bucket", {"Bucket": "nope"}, "404"),
        ("ec2", "describe_vpcs", {"VpcIds": ["vpc-0"]}, "InvalidVpcID.NotFound"),
        ("iam", "get_role", {"RoleName": "nope"}, "NoSuchEntity"),
    ):
        with pytest.raises(ClientError) as caught:
            getattr(clients(service), operation)(**members)
        assert caught.value.response["Error"]["Code"] == code
    assert fake_aws.not_modelled(endpoint) == []
