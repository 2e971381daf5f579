"""Secrets and their versions."""

from __future__ import annotations

import base64

import pytest

from sandbox.aws_provider.state import with_secrets
from sandbox.plugin import Secret
from tests.integration.aws_provider.support_world import World

SECRET = "aws:secretsmanager/secret:Secret"
VERSION = "aws:secretsmanager/secretVersion:SecretVersion"


def test_a_secret_lives_from_create_to_delete(world: World) -> None:
    secret = world.up(SECRET, "api", description="key", recoveryWindowInDays=7, tags={"a": "1"})
    assert secret.id == secret.outputs["arn"]
    assert secret.outputs["name"].startswith("api-")
    assert secret.update(description="API key", tags={"b": "1"}) == {
        "description": "update",
        "tags.a": "update",
        "tags.b": "update",
    }
    assert secret.plan(name="other") == {"name": "replace"}
    assert secret.imported()[0]["name"] == secret.outputs["name"]
    secret.delete()
    assert world.client("secretsmanager").describe_secret(SecretId=secret.id)["DeletedDate"]
    assert world.left() == {}


def test_a_recovery_window_of_zero_deletes_at_once(world: World) -> None:
    secret = world.up(SECRET, "api", name="api", recoveryWindowInDays=0)
    secret.delete()
    world.up(SECRET, "api", name="api")


def test_a_secret_in_its_recovery_window_is_gone(world: World) -> None:
    secret = world.up(SECRET, "api")
    version = world.up(VERSION, "value", secretId=secret.id, secretString="canary")
    world.client("secretsmanager").delete_secret(SecretId=secret.id)
    assert not secret.refresh()
    assert not version.refresh()


@pytest.mark.parametrize(
    ("name", "value"), [("secretString", "canary"), ("secretBinary", base64.b64encode(b"\x00canary").decode())]
)
def test_a_version_keeps_its_value_secret(world: World, name: str, value: str) -> None:
    secret = world.up(SECRET, "api")
    version = world.up(VERSION, "value", secretId=secret.id, **{name: value})
    assert version.id == f"{secret.id}|{version.outputs['versionId']}"
    assert version.outputs[name] == value
    assert version.outputs["versionStages"] == ["AWSCURRENT"]
    assert isinstance(with_secrets(version.described, version.outputs)[name], Secret)
    assert version.plan(**{name: value[:-4] + "AAAA"}) == {name: "replace"}
    assert version.imported()[0][name] == value
    version.delete()
    secret.delete()
    assert world.left() == {}
