"""Keys and aliases."""

from __future__ import annotations

import json

from tests.integration.aws_provider.support_world import Live, World

KEY = "aws:kms/key:Key"
ALIAS = "aws:kms/alias:Alias"


def a_key(world: World, **inputs: object) -> Live:
    return world.up(KEY, "weights", **({"description": "weights", "deletionWindowInDays": 7} | inputs))


def test_a_key_lives_from_create_to_delete(world: World) -> None:
    key = a_key(world, enableKeyRotation=True, tags={"a": "1"})
    assert key.outputs["keyId"] == key.id
    assert key.outputs["arn"].endswith(f":key/{key.id}")
    assert key.outputs["enableKeyRotation"] is True
    assert key.outputs["isEnabled"] is True
    assert json.loads(key.outputs["policy"])["Statement"]
    assert key.update(description="model weights", enableKeyRotation=None, tags={"a": "2", "b": "3"}) == {
        "description": "update",
        "enableKeyRotation": "update",
        "tags.a": "update",
        "tags.b": "update",
    }
    assert key.plan(keyUsage="SIGN_VERIFY") == {"keyUsage": "replace"}
    assert key.plan(deletionWindowInDays=8) == {"deletionWindowInDays": "update"}
    assert key.imported()[0]["description"] == "model weights"
    key.delete()
    state = world.client("kms").describe_key(KeyId=key.id)["KeyMetadata"]["KeyState"]
    assert state == "PendingDeletion"
    assert world.left() == {}


def test_a_key_can_be_disabled_and_enabled(world: World) -> None:
    key = a_key(world, isEnabled=False)
    kms = world.client("kms")
    assert kms.describe_key(KeyId=key.id)["KeyMetadata"]["Enabled"] is False
    assert key.update(isEnabled=True) == {"isEnabled": "update"}
    assert kms.describe_key(KeyId=key.id)["KeyMetadata"]["Enabled"] is True


def test_finds_rotation_that_somebody_switched_off(world: World) -> None:
    key = a_key(world, enableKeyRotation=True)
    world.client("kms").disable_key_rotation(KeyId=key.id)
    assert key.refresh()
    assert key.plan() == {"enableKeyRotation": "update"}


def test_a_key_policy_compares_by_meaning(world: World) -> None:
    statement = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    key = a_key(world, policy=json.dumps(policy))
    assert key.plan(policy=json.dumps({**policy, "Statement": statement}, indent=3)) == {}
    assert key.update(policy=json.dumps({**policy, "Statement": [{**statement, "Action": "kms:Decrypt"}]})) == {
        "policy": "update"
    }


def test_a_key_about_to_be_deleted_is_gone(world: World) -> None:
    key = a_key(world)
    world.client("kms").schedule_key_deletion(KeyId=key.id, PendingWindowInDays=7)
    assert not key.refresh()


def test_an_alias_moves_to_another_key_in_place(world: World) -> None:
    first, second = a_key(world), a_key(world)
    alias = world.up(ALIAS, "weights", name="alias/weights", targetKeyId=first.id)
    assert alias.id == "alias/weights"
    assert alias.outputs["targetKeyArn"] == first.outputs["arn"]
    assert alias.plan(targetKeyId=first.outputs["arn"]) == {}
    assert alias.update(targetKeyId=second.id) == {"targetKeyId": "update"}
    assert alias.plan(name="alias/other") == {"name": "replace"}
    assert alias.imported()[0] == {"name": "alias/weights", "targetKeyId": second.id}
    alias.delete()
    assert "kms:alias" not in world.left()


def test_an_alias_without_a_name_gets_one_with_the_prefix_that_aws_wants(world: World) -> None:
    alias = world.up(ALIAS, "weights", targetKeyId=a_key(world).id)
    assert alias.id.startswith("alias/weights-")
