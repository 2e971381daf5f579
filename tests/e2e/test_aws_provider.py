"""The bundled aws plugin under the real engine: the unmodified SDK, real state, a fake AWS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import boto3
import pytest

from sandbox import fake_aws
from sandbox.engine import ensure_engine
from sandbox.paths import PROJECT_ROOT, SandboxHome
from tests.e2e.support_inline import PROJECT, STACK

REGION = "eu-central-1"
RUN_SECONDS = 180
IMPORTS = "import pulumi\nimport pulumi_aws as aws\n"

# The fake is a daemon that outlives the call that starts it, on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one engine run reported."""

    changes: dict[str, int]
    outputs: dict[str, Any]
    urns: list[str]
    error: str = ""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A home of its own with a fake AWS, and one stack that programs are run on."""

    home: SandboxHome
    endpoint: str

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PATH": os.pathsep.join([str(self.home.bin), os.environ.get("PATH", "")]),
            "PYTHONPATH": str(PROJECT_ROOT),
            "PULUMI_BACKEND_URL": f"file://{self.home.state}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(self.home.pulumi_home),
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "SEEKSTACK_HOME": str(self.home.root),
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
        }

    @property
    def journal(self) -> Path:
        return self.home.journal / f"{PROJECT}-{STACK}.jsonl"

    def start(self, command: str, program: str) -> subprocess.Popen[str]:
        file = self.home.root / "program.py"
        file.write_text(IMPORTS + dedent(program))
        return subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.support_inline", command, str(file), str(self.home.root / "engine")],
            cwd=PROJECT_ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def run(self, command: str, program: str) -> Outcome:
        with self.start(command, program) as process:
            return read_outcome(process)

    def succeed(self, command: str, program: str) -> Outcome:
        outcome = self.run(command, program)
        assert not outcome.error, outcome.error
        return outcome

    def fail(self, program: str) -> str:
        error = self.run("up", program).error
        assert error, "the run must fail"
        return error

    def unlock(self) -> None:
        """Take away the lock of a killed engine, as `pulumi cancel` does."""
        for lock in (self.home.state / ".pulumi" / "locks").rglob("*.json"):
            lock.unlink()

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
        file = self.home.state / ".pulumi" / "stacks" / PROJECT / f"{STACK}.json"
        resources = json.loads(file.read_text())["checkpoint"]["latest"].get("resources") or []
        return sorted(resource["id"] for resource in resources if resource["type"].startswith("aws:"))

    def processes(self, word: str) -> list[int]:
        """Pids of this sandbox's processes with `word` in their command line."""
        found = []
        for process in Path("/proc").iterdir():
            try:
                command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
            except OSError:
                continue
            if process.name.isdigit() and word.encode() in command and str(self.home.root).encode() in environment:
                found.append(int(process.name))
        return found


def read_outcome(process: subprocess.Popen[str]) -> Outcome:
    output, _ = process.communicate(timeout=RUN_SECONDS)
    lines = output.strip().splitlines()
    report = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {"error": f"killed: {output}"}
    return Outcome(
        report.get("changes") or {}, report.get("outputs") or {}, report.get("urns") or [], report.get("error", "")
    )


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = SandboxHome(tmp_path_factory.mktemp("aws-plugin"))
    for folder in (home.bin, home.pulumi_home, home.root / "engine" / "bin"):
        folder.mkdir(parents=True)
    launcher = home.bin / "pulumi-resource-aws"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sandbox.aws_provider "$@"\n')
    launcher.chmod(0o755)
    (home.root / "engine" / "bin" / "pulumi").symlink_to(ensure_engine(lambda _: None).path)
    try:
        yield Sandbox(home, fake_aws.start(home))
    finally:
        fake_aws.stop(home)


@pytest.fixture
def sandbox(started: Sandbox) -> Sandbox:
    """An empty cloud and an empty backend."""
    fake_aws.reset(started.endpoint)
    for folder in (started.home.state, started.home.journal):
        for file in sorted(folder.rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        folder.mkdir(parents=True, exist_ok=True)
    return started


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


def test_a_stack_goes_from_create_over_drift_and_replacement_to_nothing(sandbox: Sandbox) -> None:
    created = sandbox.succeed("up", network())
    assert created.changes == {"create": 5}
    assert sandbox.succeed("preview", network()).changes == {"same": 5}

    vpc, subnet = created.outputs["vpc"], created.outputs["subnet"]
    sandbox.client().create_tags(Resources=[vpc], Tags=[{"Key": "Name", "Value": "drifted"}])
    sandbox.client().delete_subnet(SubnetId=subnet)
    assert sandbox.succeed("refresh", network()).changes == {"same": 3, "update": 1, "delete": 1}
    mended = sandbox.succeed("up", network())
    assert mended.changes == {"same": 3, "update": 1, "create": 1}
    assert mended.outputs["subnet"] != subnet

    other = network("10.30.0.0/16")
    assert sandbox.succeed("preview", other).changes == {"same": 1, "replace": 4}
    replaced = sandbox.succeed("up", other)
    assert replaced.outputs["vpc"] != vpc
    assert sandbox.left() == sandbox.recorded()

    sandbox.succeed("destroy", other)
    assert sandbox.left() == []


def test_a_resource_made_by_hand_is_imported(sandbox: Sandbox) -> None:
    vpc = sandbox.client().create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
    plain = 'aws.ec2.Vpc("vpc", cidr_block="10.20.0.0/16")'
    imported = plain.replace(")", f', opts=pulumi.ResourceOptions(import_="{vpc}"))')
    assert sandbox.succeed("up", imported).changes == {"create": 1, "import": 1}
    assert sandbox.succeed("preview", plain).changes == {"same": 2}
    sandbox.succeed("destroy", plain)
    assert sandbox.left() == []


def test_every_wrong_input_is_named_and_nothing_is_created(sandbox: Sandbox) -> None:
    error = sandbox.fail(
        'pulumi.CustomResource("aws:ec2/vpc:Vpc", "vpc", {"cidrBlok": "10.0.0.0/16", "ipv4NetmaskLength": 20})'
    )
    assert "unknown property 'cidrBlok', did you mean 'cidrBlock'?" in error
    assert "the bundled sandbox plugin does not support 'ipv4NetmaskLength'" in error
    assert sandbox.left() == []


def test_an_error_shows_code_property_and_urn_without_our_stack(sandbox: Sandbox) -> None:
    program = """
        vpc = aws.ec2.Vpc("vpc", cidr_block="10.20.0.0/16")
        aws.ec2.Subnet("subnet", vpc_id=vpc.id, cidr_block="192.168.0.0/24")
    """
    error = sandbox.fail(program)
    assert "creating urn:pulumi:dev::aws-plugin::aws:ec2/subnet:Subnet::subnet: InvalidSubnet.Range: " in error
    assert "(property cidrBlock)" in error
    assert "aws_provider/" not in error
    sandbox.succeed("destroy", program)
    assert sandbox.left() == []


def test_an_unsupported_type_names_the_official_plugin(sandbox: Sandbox) -> None:
    error = sandbox.fail('aws.sqs.Queue("queue")')
    assert "aws:sqs/queue:Queue: the bundled sandbox plugin does not have this type" in error
    assert "pulumi plugin install resource aws 7.51.1" in error


def test_refuses_an_endpoint_that_is_not_on_this_machine(sandbox: Sandbox) -> None:
    error = sandbox.fail(
        """
        far = aws.ProviderEndpointArgs(ec2="https://ec2.eu-central-1.amazonaws.com")
        provider = aws.Provider("far", region="eu-central-1", endpoints=[far])
        aws.ec2.Vpc("vpc", cidr_block="10.20.0.0/16", opts=pulumi.ResourceOptions(provider=provider))
        """
    )
    assert "https://ec2.eu-central-1.amazonaws.com, is not on this machine" in error


def test_look_ups_and_two_providers_with_default_tags_work_in_one_program(sandbox: Sandbox) -> None:
    program = f"""
        endpoints = [aws.ProviderEndpointArgs(ec2="{sandbox.endpoint}", sts="{sandbox.endpoint}")]
        tags = aws.ProviderDefaultTagsArgs(tags={{"owner": "me"}})
        near = aws.Provider("near", region="us-west-2", endpoints=endpoints, default_tags=tags)
        vpc = aws.ec2.Vpc(
            "vpc", cidr_block="10.20.0.0/16", tags={{"a": "1"}}, opts=pulumi.ResourceOptions(provider=near)
        )
        other = aws.ec2.Vpc("other", cidr_block="10.21.0.0/16", region="us-east-1")
        pulumi.export("tags", vpc.tags_all)
        pulumi.export("arns", [vpc.arn, other.arn])
        pulumi.export("account", aws.get_caller_identity().account_id)
        pulumi.export("region", aws.get_region_output(opts=pulumi.InvokeOptions(provider=near)).region)
        pulumi.export("zones", aws.get_availability_zones(state="available").names)
        pulumi.export("gpus", aws.ec2.get_instance_type(instance_type="g4dn.xlarge").gpuses[0].memory_size)
    """
    outputs = sandbox.succeed("up", program).outputs
    assert outputs["tags"] == {"a": "1", "owner": "me"}
    assert [arn.split(":")[3] for arn in outputs["arns"]] == ["us-west-2", "us-east-1"]
    assert outputs["region"] == "us-west-2"
    assert outputs["zones"][0] == f"{REGION}a"
    assert outputs["gpus"] == 16384
    assert len(outputs["account"]) == 12
    assert sandbox.succeed("preview", program).changes == {"same": 4}
    sandbox.succeed("destroy", program)
    assert sandbox.left() == []


def test_preview_of_an_empty_stack_has_the_urns_of_up(sandbox: Sandbox) -> None:
    previewed = sandbox.succeed("preview", network())
    created = sandbox.succeed("up", network())
    assert set(previewed.urns) == set(created.urns)
    assert len(set(created.urns)) == 5


Victim = Callable[[Sandbox, "subprocess.Popen[str]"], None]


def kill_plugin(sandbox: Sandbox, _: subprocess.Popen[str]) -> None:
    for pid in sandbox.processes("sandbox.aws_provider"):
        os.kill(pid, signal.SIGKILL)


def kill_engine(sandbox: Sandbox, _: subprocess.Popen[str]) -> None:
    for pid in sandbox.processes("pulumi\0up"):
        os.kill(pid, signal.SIGKILL)


def kill_everything(_: Sandbox, process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("victim", [kill_plugin, kill_engine, kill_everything])
@pytest.mark.parametrize("delay_seconds", [0.0, 0.15, 0.4])
def test_a_kill_amid_up_leaves_nothing_that_the_next_up_does_not_know(
    sandbox: Sandbox, victim: Victim, delay_seconds: float
) -> None:
    with sandbox.start("up", network()) as process:
        deadline = time.monotonic() + RUN_SECONDS
        while time.monotonic() < deadline and not (sandbox.journal.exists() and sandbox.journal.stat().st_size):
            time.sleep(0.005)
        time.sleep(delay_seconds)
        victim(sandbox, process)
        read_outcome(process)
    sandbox.unlock()
    sandbox.succeed("up", network())
    assert sandbox.left() == sandbox.recorded()
    sandbox.succeed("destroy", network())
    assert sandbox.left() == []
