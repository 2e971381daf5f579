"""A fake AWS that was stopped: one line a resource and no stack of ours, and the stack stays usable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox import fake_aws, processes
from sandbox.pulumi_run import PulumiStack
from tests.e2e.support_tiny import COMMAND_SECONDS, TinyProject

# The fake is a daemon that outlives the call that starts it, on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

FIX = 'does not answer (EndpointConnectionError). Start it again: eval "$(seekstack sandbox env)"'
NETWORKS = """
import asyncio
from pathlib import Path
import pulumi_aws as aws

async def gate(text):
    while not Path("{gate}").exists():
        await asyncio.sleep(0.01)
    return text

for number in range(8):
    vpc = aws.ec2.Vpc(f"vpc-{{number}}", cidr_block=f"10.{{number}}.0.0/16")
    later = pulumi.Output.from_input(gate(f"10.{{number}}.0.0/24"))
    aws.ec2.Subnet(f"subnet-{{number}}", vpc_id=vpc.id, cidr_block=later)
"""
"""The second half of the resources waits until the test opens the gate."""
FIRST, RESOURCES = 8, 16


@pytest.fixture
def fake(project: TinyProject, monkeypatch: pytest.MonkeyPatch) -> Iterator[TinyProject]:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    fake_aws.start(project.home)
    try:
        yield project
    finally:
        fake_aws.stop(project.home)


def test_each_command_says_what_does_not_answer_and_how_to_start_it(fake: TinyProject) -> None:
    fake.write('import pulumi_aws as aws\naws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16")')
    assert fake.up().returncode == 0
    fake_aws.stop(fake.home)
    fake.write('import pulumi_aws as aws\naws.ec2.Vpc("vpc", cidr_block="10.0.0.0/16", tags={"a": "1"})')
    for command in ("preview", "refresh", "destroy", "up"):
        done = fake.pulumi(command, *(() if command == "preview" else ("--yes", "--skip-preview")))
        assert done.returncode != 0
        assert FIX in told(done.stdout + done.stderr)
    fake.write("import pulumi_aws as aws\naws.get_caller_identity()")
    assert FIX in told(fake.pulumi("preview").stdout)


def test_a_fake_stopped_in_the_middle_of_an_up_leaves_a_stack_that_refresh_and_up_mend(fake: TinyProject) -> None:
    gate = fake.folder / "gate"
    fake.write(NETWORKS.format(gate=gate))
    stack = PulumiStack(fake.folder, "dev", fake.environment)
    endpoint = fake_aws.start(fake.home)
    up = fake.start_up()
    assert processes.wait_until(
        lambda: len(fake_aws.existing(endpoint).get("ec2:vpc", ())) == FIRST, timeout_seconds=COMMAND_SECONDS
    )
    fake_aws.stop(fake.home)
    gate.touch()
    output, _ = up.communicate(timeout=COMMAND_SECONDS)
    assert up.returncode != 0
    assert "does not answer" in told(output)

    again = fake_aws.start(fake.home)
    assert fake.pulumi("refresh", "--yes", "--skip-preview").returncode == 0
    mended = PulumiStack(fake.folder, "dev", fake.environment).up().counts
    assert mended["created"] == RESOURCES
    recorded = sorted(item["id"] for item in stack.resources() if item["type"].startswith("aws:"))
    assert recorded == sorted(found for ids in fake_aws.existing(again).values() for found in ids)


def told(output: str) -> str:
    """The output, which must have no stack of the plugin's or of boto's."""
    assert "botocore/" not in output
    assert "aws_provider/" not in output
    return output
