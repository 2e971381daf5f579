"""SSM parameters. Their values are secret outputs, whatever their type, as the SDK declares."""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws_provider.description import Call, Tags, Type, View

__all__ = ["TYPES"]

TAGGED: Final = {"ResourceType": "'Parameter'", "ResourceId": "id"}


def _value(view: View) -> Any:
    """The value under the name that the program uses for it."""
    return None if view.inputs.get("insecureValue") is not None else view.it["Value"]


def _insecure(view: View) -> Any:
    return view.it["Value"] if view.inputs.get("insecureValue") is not None else None


PARAMETER: Final = Type(
    token="aws:ssm/parameter:Parameter",  # noqa: S106 a Pulumi type token
    service="ssm",
    create=Call("put_parameter", {"Value": "inputs.value || inputs.insecureValue"}, auto=True),
    id="inputs.name",
    recover="inputs.name",
    read=Call("get_parameter", {"Name": "id", "WithDecryption": "`true`"}, result="Parameter"),
    more={
        "about": Call(
            "describe_parameters",
            {"ParameterFilters": "[{Key: 'Name', Option: 'Equals', Values: [id]}]"},
            result="Parameters[0]",
        ),
        "tags": Call("list_tags_for_resource", TAGGED, result="TagList"),
    },
    outputs={
        "allowedPattern": "more.about.AllowedPattern",
        "description": "more.about.Description",
        "insecureValue": _insecure,
        "keyId": "more.about.KeyId",
        "tier": "more.about.Tier",
        "value": _value,
    },
    replaces=("name", "dataType", "type"),
    update=Call(
        "put_parameter",
        {
            "Value": "inputs.value || inputs.insecureValue",
            "Description": "inputs.description || ''",
            "Overwrite": "`true`",
        },
        auto=True,
        omit=("tags",),
    ),
    tags=Tags(
        add=Call("add_tags_to_resource", TAGGED | {"Tags": "tags"}),
        remove=Call("remove_tags_from_resource", TAGGED | {"TagKeys": "tag_keys"}),
        found="more.tags",
    ),
    delete=[Call("delete_parameter", {"Name": "id"})],
    not_found=("ParameterNotFound", "InvalidResourceId"),
    autoname="name",
    autoname_length=1011,
    clears=("allowedPattern", "description"),
    secret=("value",),
    unsupported=("arn", "valueWo", "valueWoVersion"),
    unique=("name",),
)

TYPES: Final = (PARAMETER,)
