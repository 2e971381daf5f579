"""The bundled aws plugin under the real engine: the unmodified SDK, real state, a fake AWS.

Killed runs have tests of their own (test_killed_runs.py), and so has the dev stack (test_dev_stack.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import boto3
import pytest

from infra.errors import ToolError
from sandbox import fake_aws
from sandbox.engine import Engine
from sandbox.launchers import write_launchers
from sandbox.paths import SandboxHome
from sandbox.pulumi_run import PulumiStack
from tests.e2e.support_tiny import TinyProject

REGION = "eu-central-1"

# The fake is a daemon that outlives the call that starts it, on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@dataclass(frozen=True, slots=True)
class Cloud:
    """A sandbox's fake AWS and one stack on it."""

    project: TinyProject
    endpoint: str

    @property
    def stack(self) -> PulumiStack:
        return PulumiStack(self.project.folder, "dev", self.project.environment)

    def write(self, program: str) -> None:
        self.project.write("import pulumi_aws as aws\n" + dedent(program))

    def up(self, program: str) -> dict[str, int]:
        self.write(program)
        return self.stack.up().counts

    def fail(self, program: str) -> str:
        self.write(program)
        with pytest.raises(ToolError) as caught:
            self.stack.up()
        return str(caught.value)

    def client(self, service: str = "ec2") -> Any:
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def left(self) -> list[str]:
        return sorted(found for ids in fake_aws.existing(self.endpoint).values() for found in ids)

    def recorded(self) -> list[str]:
        return sorted(item["id"] for item in self.stack.resources() if item["type"].startswith("aws:"))


@pytest.fixture(scope="module")
def home(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHome]:
    made = SandboxHome(tmp_path_factory.mktemp("aws plugin"))
    write_launchers(made, engine)
    fake_aws.start(made)
    try:
        yield made
    finally:
        fake_aws.stop(made)


@pytest.fixture
def cloud(home: SandboxHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    monkeypatch.setenv("AWS_REGION", REGION)
    endpoint = fake_aws.start(home)  # a test may have stopped it
    fake_aws.reset(endpoint)
    shutil.rmtree(home.state, ignore_errors=True)
    home.state.mkdir(parents=True)
    made = Cloud(TinyProject(tmp_path, home), endpoint)
    made.write("")
    made.stack.initialise()
    return made


def network(cidr: str = "10.20.0.0/16") -> str:
    return f"""
        vpc = aws.ec2.Vpc("vpc", cidr_block="{cidr}", tags={{"Name": "net"}})
        subnet = aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="{cidr.replace("/16", "/24")}")
        group = aws.ec2.SecurityGroup("group", vpc_id=vpc.id)
        aws.vpc.SecurityGroupIngressRule(
            "rule", security_group_id=group.id, ip_protocol="tcp", from_port=443, to_port=443, cidr_ipv4="10.0.0.0/8"
        )
        pulumi.export("vpc", vpc.id)
        pulumi.export("subnet", subnet.id)
    """


def test_a_stack_goes_from_create_over_drift_and_replacement_to_nothing(cloud: Cloud) -> None:
    assert cloud.up(network())["created"] == 5
    created = cloud.stack.outputs()

    cloud.client().create_tags(Resources=[created["vpc"]], Tags=[{"Key": "Name", "Value": "drifted"}])
    cloud.client().delete_subnet(SubnetId=created["subnet"])
    refreshed = cloud.project.pulumi("refresh", "--yes", "--skip-preview", "--suppress-progress")
    assert refreshed.returncode == 0, refreshed.stdout
    drifted = {change.name: change for change in cloud.stack.preview().changes}
    assert {name: change.operation for name, change in drifted.items()} == {"vpc": "update", "subnet": "create"}
    assert drifted["vpc"].properties == ("tags.Name",)
    mended = cloud.stack.up().counts
    assert (mended["created"], mended["updated"]) == (1, 1)
    assert cloud.stack.outputs()["subnet"] != created["subnet"]

    cloud.write(network("10.30.0.0/16"))
    replaced = cloud.stack.preview()
    assert replaced.counts == {"replace": 4}
    assert {change.name: change.properties for change in replaced.changes}["vpc"] == ("cidrBlock",)
    cloud.stack.up()
    assert cloud.stack.outputs()["vpc"] != created["vpc"]
    assert cloud.left() == cloud.recorded()

    cloud.stack.destroy()
    assert cloud.left() == []


def test_a_resource_made_by_hand_is_imported(cloud: Cloud) -> None:
    vpc = cloud.client().create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    plain = 'aws.ec2.Vpc("vpc", cidr_block="10.20.0.0/16")'
    cloud.write(plain.replace(")", f', opts=pulumi.ResourceOptions(import_="{vpc}"))'))
    cloud.stack.up()
    assert cloud.recorded() == [vpc]
    cloud.write(plain)
    assert cloud.stack.preview().changes == ()
    cloud.stack.destroy()
    assert cloud.left() == []


def test_an_import_of_what_does_not_exist_fails_and_records_nothing(cloud: Cloud) -> None:
    done = cloud.project.pulumi("import", "aws:ec2/vpc:Vpc", "vpc", "vpc-doesnotexist", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert "resource 'vpc-doesnotexist' does not exist" in done.stdout + done.stderr
    assert cloud.recorded() == []


def test_an_import_that_asks_for_code_is_done_and_says_in_one_sentence_that_there_is_none(cloud: Cloud) -> None:
    vpc = cloud.client().create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    done = cloud.project.pulumi("import", "aws:ec2/vpc:Vpc", "vpc", vpc, "--yes", "--skip-preview")
    assert cloud.recorded() == [vpc]
    assert "no package schema to write code from" in done.stderr
    assert "pulumi import --generate-code=false" in done.stderr
    assert "NotImplementedError" not in done.stderr


def test_looking_up_a_resource_that_does_not_exist_fails_in_preview_and_up(cloud: Cloud) -> None:
    cloud.write('aws.ec2.Vpc.get("vpc", "vpc-missing")')
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        done = cloud.project.pulumi(*command)
        assert done.returncode != 0
        assert "resource 'vpc-missing' does not exist" in done.stdout + done.stderr


def test_a_bucket_renamed_with_an_alias_stays_the_same_bucket(cloud: Cloud) -> None:
    cloud.up('aws.s3.Bucket("old")')
    bucket = cloud.recorded()
    counts = cloud.up('aws.s3.Bucket("new", opts=pulumi.ResourceOptions(aliases=[pulumi.Alias(name="old")]))')
    assert "replaced" not in counts
    assert cloud.recorded() == bucket
    cloud.stack.destroy()
    assert cloud.left() == []


def test_every_wrong_input_is_named_and_nothing_is_created(cloud: Cloud) -> None:
    error = cloud.fail(
        'pulumi.CustomResource("aws:ec2/vpc:Vpc", "vpc", {"cidrBlok": "10.0.0.0/16", "ipv4NetmaskLength": 20})'
    )
    assert "unknown property 'cidrBlok', did you mean 'cidrBlock'?" in error
    assert "the bundled sandbox plugin does not support 'ipv4NetmaskLength'" in error
    assert cloud.left() == []


def test_an_unsupported_type_names_the_official_plugin(cloud: Cloud) -> None:
    error = cloud.fail('aws.sqs.Queue("queue")')
    assert "aws:sqs/queue:Queue: the bundled sandbox plugin does not have this type" in error
    assert "pulumi plugin install resource aws 7.51.1" in error


def test_an_error_shows_code_property_and_urn_without_our_stack(cloud: Cloud) -> None:
    error = cloud.fail(
        """
        vpc = aws.ec2.Vpc("vpc", cidr_block="10.20.0.0/16")
        aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="192.168.0.0/24")
        """
    )
    assert "creating urn:pulumi:dev::tiny::aws:ec2/subnet:Subnet::subnet: InvalidSubnet.Range: " in error
    assert "(property cidrBlock)" in error
    assert "aws_provider/" not in error
    cloud.stack.destroy()
    assert cloud.left() == []


def test_refuses_an_endpoint_that_is_not_on_this_machine(cloud: Cloud) -> None:
    error = cloud.fail(
        """
        far = aws.ProviderEndpointArgs(ec2="https://ec2.eu-central-1.amazonaws.com")
        provider = aws.Provider("far", region="eu-central-1", endpoints=[far])
        aws.ec2.Vpc("vpc", cidr_block="10.20.0.0/16", opts=pulumi.ResourceOptions(provider=provider))
        """
    )
    assert "https://ec2.eu-central-1.amazonaws.com, is not on this machine" in error


def test_look_ups_and_two_providers_with_default_tags_work_in_one_program(cloud: Cloud) -> None:
    program = f"""
        endpoints = [aws.ProviderEndpointArgs(ec2="{cloud.endpoint}", sts="{cloud.endpoint}")]
        tags = aws.ProviderDefaultTagsArgs(tags={{"owner": "me"}})
        near = aws.Provider("near", region="us-east-1", endpoints=endpoints, default_tags=tags)
        vpc = aws.ec2.Vpc(
            "vpc", cidr_block="10.20.0.0/16", tags={{"a": "1"}}, opts=pulumi.ResourceOptions(provider=near)
        )
        other = aws.ec2.Vpc("other", cidr_block="10.21.0.0/16", region="us-east-1")
        pulumi.export("tags", vpc.tags_all)
        pulumi.export("arns", [vpc.arn, other.arn])
        pulumi.export("account", aws.get_caller_identity().account_id)
        pulumi.export("region", aws.get_region_output(opts=pulumi.InvokeOptions(provider=near)).region)
        pulumi.export("zones", aws.get_availability_zones(state="available").names)
        pulumi.export("gpu", aws.ec2.get_instance_type(instance_type="g4dn.xlarge").gpuses[0].memory_size)
    """
    cloud.up(program)
    outputs = cloud.stack.outputs()
    assert outputs["tags"] == {"a": "1", "owner": "me"}
    assert [arn.split(":")[3] for arn in outputs["arns"]] == ["us-east-1", "us-east-1"]
    assert outputs["region"] == "us-east-1"
    assert outputs["zones"][0] == f"{REGION}a"
    assert outputs["gpu"] == 16384
    assert len(outputs["account"]) == 12
    assert cloud.stack.preview().changes == ()
    cloud.stack.destroy()
    assert cloud.left() == []


def test_a_secret_value_is_encrypted_in_state(cloud: Cloud) -> None:
    cloud.up('aws.ssm.Parameter("token", type="SecureString", value=pulumi.Output.secret("canary-1234"))')
    states = [file.read_text() for file in cloud.project.home.state.rglob("*.json")]
    assert states
    assert not [text for text in states if "canary-1234" in text]
    cloud.stack.destroy()
