"""Parameters; SecureString values stay secret."""

from __future__ import annotations

import pytest

from sandbox.aws_provider.state import with_secrets
from sandbox.plugin import PluginError, Secret
from tests.integration.aws_provider.support_world import World

PARAMETER = "aws:ssm/parameter:Parameter"


def test_a_parameter_lives_from_create_to_delete(world: World) -> None:
    parameter = world.up(
        PARAMETER, "model", name="/app/model", type="String", value="r1", description="model", tags={"a": "1"}
    )
    assert parameter.id == "/app/model"
    assert parameter.outputs["arn"].endswith(":parameter/app/model")
    assert parameter.outputs["version"] == 1
    assert parameter.update(value="v3", description=None, tags={"a": "2"}) == {
        "value": "update",
        "description": "update",
        "tags.a": "update",
    }
    assert parameter.outputs["version"] == 2
    assert parameter.plan(name="/app/other") == {"name": "replace"}
    assert parameter.plan(type="SecureString") == {"type": "replace"}
    assert parameter.imported()[0]["value"] == "v3"
    world.client("ssm").put_parameter(Name="/app/model", Value="else", Overwrite=True)
    assert parameter.refresh()
    assert parameter.plan() == {"value": "update"}
    parameter.delete()
    assert world.left() == {}


def test_a_secure_string_is_decrypted_and_marked_secret(world: World) -> None:
    parameter = world.up(PARAMETER, "token", name="/app/token", type="SecureString", value="canary")
    assert parameter.outputs["value"] == "canary"
    marked = with_secrets(parameter.described, parameter.outputs)
    assert isinstance(marked["value"], Secret)
    assert [name for name, value in marked.items() if value == "canary"] == []
    assert world.client("ssm").get_parameter(Name="/app/token")["Parameter"]["Value"] != "canary"


def test_an_insecure_value_is_the_same_value_in_the_open(world: World) -> None:
    parameter = world.up(PARAMETER, "open", name="/app/open", type="String", insecureValue="x")
    assert parameter.outputs["insecureValue"] == "x"
    assert parameter.outputs["value"] == ""
    assert parameter.update(insecureValue="y") == {"insecureValue": "update"}


def test_does_not_overwrite_what_exists_unless_told_to(world: World) -> None:
    world.client("ssm").put_parameter(Name="/app/x", Value="v", Type="String")
    with pytest.raises(PluginError, match=r"ParameterAlreadyExists.*"):
        world.up(PARAMETER, "x", name="/app/x", type="String", value="v")
    assert world.up(PARAMETER, "x", name="/app/x", type="String", value="w", overwrite=True).outputs["value"] == "w"


def test_a_parameter_deleted_behind_our_back_is_gone(world: World) -> None:
    parameter = world.up(PARAMETER, "x", name="/app/gone", type="String", value="v")
    world.client("ssm").delete_parameter(Name="/app/gone")
    assert not parameter.refresh()
