"""Roles, policies and instance profiles."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import Live, World

ROLE = "aws:iam/role:Role"
READ_ONLY = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"


def trust(service: str = "ec2.amazonaws.com") -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def allow(*actions: str) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def a_role(world: World, **inputs: Any) -> Live:
    return world.up(ROLE, "node-role", **({"assumeRolePolicy": json.dumps(trust())} | inputs))


def test_a_role_lives_from_create_to_delete(world: World) -> None:
    role = a_role(world, description="nodes", tags={"a": "1"})
    assert role.id.startswith("node-role-")
    assert role.outputs["name"] == role.id
    assert role.outputs["arn"].endswith(f":role/{role.id}")
    assert role.outputs["uniqueId"]
    assert role.outputs["tagsAll"] == {"a": "1"}
    assert role.update(description="GPU nodes", maxSessionDuration=7200, tags={"b": "2"}) == {
        "description": "update",
        "maxSessionDuration": "update",
        "tags.a": "update",
        "tags.b": "update",
    }
    assert role.outputs["tags"] == {"b": "2"}
    assert role.update(assumeRolePolicy=json.dumps(trust("eks.amazonaws.com"))) == {"assumeRolePolicy": "update"}
    assert role.plan(name="other") == {"name": "replace"}
    assert role.plan(path="/x/") == {"path": "replace"}
    inputs, _ = role.imported()
    assert inputs["name"] == role.id
    role.delete()
    assert world.left() == {}


def test_a_trust_policy_in_another_writing_is_no_change(world: World) -> None:
    role = a_role(world)
    assert role.plan(assumeRolePolicy=json.dumps(trust(), indent=2, sort_keys=True)) == {}
    assert role.outputs["assumeRolePolicy"] == json.dumps(trust())


def test_a_trust_policy_may_be_an_object_as_the_sdk_allows(world: World) -> None:
    role = a_role(world, assumeRolePolicy=trust())
    assert json.loads(role.outputs["assumeRolePolicy"]) == trust()
    assert role.plan(assumeRolePolicy=json.dumps(trust())) == {}


def test_finds_a_trust_policy_and_a_boundary_that_somebody_changed(world: World) -> None:
    role = a_role(world)
    iam = world.client("iam")
    iam.update_assume_role_policy(RoleName=role.id, PolicyDocument=json.dumps(trust("lambda.amazonaws.com")))
    iam.put_role_permissions_boundary(RoleName=role.id, PermissionsBoundary=READ_ONLY)
    assert role.refresh()
    assert role.plan() == {"assumeRolePolicy": "update", "permissionsBoundary": "update"}
    role.update()
    assert "PermissionsBoundary" not in iam.get_role(RoleName=role.id)["Role"]


def test_a_role_with_foreign_policies_is_only_deleted_where_the_program_allows_it(world: World) -> None:
    role = a_role(world)
    iam = world.client("iam")
    iam.attach_role_policy(RoleName=role.id, PolicyArn=READ_ONLY)
    iam.put_role_policy(RoleName=role.id, PolicyName="p", PolicyDocument=allow("s3:*"))
    assert role.update(forceDetachPolicies=True) == {"forceDetachPolicies": "update"}
    role.delete()
    assert world.left() == {}


def test_a_role_deleted_behind_our_back_is_gone(world: World) -> None:
    role = a_role(world)
    world.client("iam").delete_role(RoleName=role.id)
    assert not role.refresh()


def test_an_error_names_code_and_urn(world: World) -> None:
    a_role(world, name="taken")
    with pytest.raises(PluginError, match=r"creating urn:.*node-role: EntityAlreadyExists"):
        a_role(world, name="taken")


def test_a_role_policy_lives_from_create_to_delete(world: World) -> None:
    role = a_role(world)
    policy = world.up("aws:iam/rolePolicy:RolePolicy", "read", role=role.id, policy=allow("s3:GetObject"))
    assert policy.id == f"{role.id}:{policy.outputs['name']}"
    assert policy.plan(policy=json.dumps(json.loads(allow("s3:GetObject")), indent=1)) == {}
    assert policy.update(policy=allow("s3:GetObject", "s3:ListBucket")) == {"policy": "update"}
    assert policy.plan(role="other") == {"role": "replace"}
    inputs, _ = policy.imported()
    assert json.loads(inputs["policy"]) == json.loads(allow("s3:GetObject", "s3:ListBucket"))
    world.client("iam").put_role_policy(
        RoleName=role.id, PolicyName=policy.outputs["name"], PolicyDocument=allow("s3:*")
    )
    assert policy.refresh()
    assert policy.plan() == {"policy": "update"}
    policy.delete()
    role.delete()
    assert world.left() == {}


def test_an_attachment_lives_from_create_to_delete(world: World) -> None:
    role = a_role(world)
    attachment = world.up("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "ssm", role=role.id, policyArn=READ_ONLY)
    assert attachment.id == f"{role.id}/{READ_ONLY}"
    assert attachment.plan(policyArn="arn:aws:iam::aws:policy/ReadOnlyAccess") == {"policyArn": "replace"}
    inputs, _ = attachment.imported()
    assert inputs == {"role": role.id, "policyArn": READ_ONLY}
    assert role.refresh()
    assert role.plan() == {}  # the attachment is no drift of the role
    attachment.delete()
    role.delete()
    assert world.left() == {}


def test_an_attachment_taken_away_is_gone_and_so_is_one_whose_role_is(world: World) -> None:
    role = a_role(world)
    attachment = world.up("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "ssm", role=role.id, policyArn=READ_ONLY)
    iam = world.client("iam")
    iam.detach_role_policy(RoleName=role.id, PolicyArn=READ_ONLY)
    assert not attachment.refresh()
    iam.delete_role(RoleName=role.id)
    assert not attachment.refresh()


def test_an_instance_profile_changes_its_role_in_place(world: World) -> None:
    first, second = a_role(world, name="first"), a_role(world, name="second")
    profile = world.up("aws:iam/instanceProfile:InstanceProfile", "node", role=first.id, tags={"a": "1"})
    assert profile.outputs["role"] == "first"
    assert profile.outputs["arn"].endswith(f":instance-profile/{profile.id}")
    assert profile.update(role="second", tags={"a": "2"}) == {"role": "update", "tags.a": "update"}
    assert profile.plan(path="/x/") == {"path": "replace"}
    assert profile.imported()[0]["role"] == "second"
    world.client("iam").remove_role_from_instance_profile(InstanceProfileName=profile.id, RoleName="second")
    assert profile.refresh()
    assert profile.plan() == {"role": "update"}
    profile.update()
    profile.delete()
    first.delete()
    second.delete()
    assert world.left() == {}
