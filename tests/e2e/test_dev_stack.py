"""The dev stack's life on the real engine: what a person does with it, and what must hold at each step."""

import subprocess

import boto3
import pytest

from infra.cli.demo_drift import open_the_door
from infra.errors import ToolError
from sandbox.paths import PROJECT_ROOT
from tests.support_kill import orphans
from tests.support_sandbox import sandbox_at


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with sandbox_at(tmp_path_factory.mktemp("dev")) as running:
        yield running


@pytest.fixture
def stack(sandbox):
    """A created dev stack that is destroyed again."""
    original = (PROJECT_ROOT / "Pulumi.dev.yaml").read_text()
    file = sandbox.project / "Pulumi.dev.yaml"
    file.write_text(original)
    dev = sandbox.stack("dev")
    yield dev
    file.write_text(original)
    dev.destroy()
    dev.remove()
    assert sandbox.existing() == {}


def test_preview_of_an_empty_stack_lists_what_up_creates_a_second_preview_nothing_and_outputs_say_where(sandbox, stack):
    planned = {change.urn for change in stack.preview().changes}
    stack.up()
    assert {resource["urn"] for resource in stack.resources()} == {
        urn for urn in planned if not urn.endswith("pulumi:pulumi:Stack::seekstack-dev")
    }
    assert stack.preview().changes == ()
    assert orphans(stack, sandbox.endpoint) == {}
    outputs = stack.outputs()
    assert outputs["endpoint"].startswith("http://10.80.")
    assert outputs["endpoint"].endswith(":8000/v1")
    assert outputs["monthlyCostUsd"] > 0
    assert outputs["plan"]["gpu"] == "T4"


def test_a_larger_model_replaces_only_the_machine_a_smaller_one_keeps_the_volume_and_the_way_back_grows_nothing(
    sandbox, stack
):
    stack.up()
    volume = stack.outputs()["volumeId"]
    sandbox.configure("dev", model="14B")
    found = {change.name: change for change in stack.preview().changes}
    assert {name for name, change in found.items() if change.operation == "replace"} == {
        "node-instance",
        "node-weights",
    }
    assert found["weights-volume"].operation == "update"
    assert "size" in found["weights-volume"].properties
    assert found["node-template"].new_inputs["instanceType"] != found["node-template"].old_inputs["instanceType"]
    assert not {name for name in found if name.startswith("network")}
    stack.up()
    assert stack.outputs()["volumeId"] == volume
    assert stack.preview().changes == ()

    size = sizes(sandbox)[volume]
    assert size > 20
    for model in ("1.5B", "14B"):
        sandbox.configure("dev", model=model)
        found = {change.name: change for change in stack.preview().changes}
        assert found["weights-volume"].operation == "update"
        assert "size" not in found["weights-volume"].properties
        stack.up()
        assert stack.outputs()["volumeId"] == volume
        assert sizes(sandbox)[volume] == size
        assert stack.preview().changes == ()


def test_a_door_opened_by_hand_is_found_and_closed_and_a_volume_grown_by_hand_stays_until_it_is_deleted(sandbox, stack):
    stack.up()
    outputs = stack.outputs()
    volume = outputs["volumeId"]
    open_the_door(stack.environment, "us-east-1", outputs["securityGroupId"])
    assert stack.preview().changes == ()  # state alone does not know
    client("ec2", sandbox).modify_volume(VolumeId=volume, Size=300)
    (change,) = stack.preview("--refresh").changes  # of the volume the program asks for what there is
    assert change.operation == "update"
    assert change.properties == ("cidrIpv4",)

    pulumi(stack, "up", "--yes", "--skip-preview", "--refresh")
    assert stack.preview("--refresh").changes == ()
    assert sizes(sandbox)[volume] == 300

    client("ec2", sandbox).modify_volume(VolumeId=volume, Size=400)
    sandbox.configure("dev", port="9000")
    stack.up()
    assert sizes(sandbox)[volume] == 400
    pulumi(stack, "destroy", "--yes", "--skip-preview", "--target", "**weights-volume", "--target-dependents")
    stack.up()
    assert list(sizes(sandbox).values()) == [20]


def sizes(sandbox):
    """GiB of each volume that carries the stack's tag."""
    mine = [{"Name": "tag:seekstack:stack", "Values": ["dev"]}]
    found = client("ec2", sandbox).describe_volumes(Filters=mine)["Volumes"]
    return {volume["VolumeId"]: volume["Size"] for volume in found}


def client(service, sandbox):
    return boto3.client(
        service, endpoint_url=sandbox.endpoint, region_name="us-east-1",
        aws_access_key_id="test", aws_secret_access_key="test",
    )  # fmt: skip


def pulumi(stack, *arguments):
    """One literal command; its whole output."""
    done = subprocess.run(
        ("pulumi", *arguments, "--non-interactive", "--color", "never", "-s", stack.stack),
        cwd=stack.folder, env=dict(stack.environment), check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


WRONG = """\
config:
  aws:region: us-east-1
  seekstack:modle: 7B
  seekstack:model: 7C
  seekstack:target: ec3
  seekstack:vpcCidr: 10.0.0.0
  seekstack:intranetCidrs:
    - 10.0.0.0/8
    - 0.0.0.0/0
"""


def test_wrong_configuration_is_refused_by_pulumi_up_with_every_error_and_nothing_is_created(sandbox, stack):
    file = sandbox.project / "Pulumi.dev.yaml"
    file.write_text(WRONG)
    with pytest.raises(ToolError) as caught:
        stack.up()
    text = str(caught.value)
    for part in ("5 configuration errors", "did you mean seekstack:model?", "7C", "ec3", "10.0.0.0", "0.0.0.0/0"):
        assert part in text
    assert "Pulumi.dev.yaml:9: seekstack:intranetCidrs[1]" in text
    assert "Traceback" not in text
    assert sandbox.existing() == {}
