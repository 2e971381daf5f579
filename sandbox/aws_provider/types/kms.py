"""KMS: customer keys and their aliases. A key that waits for its deletion counts as deleted."""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Source, Tags, Type, View, Wait, arn
from sandbox.aws_provider.sources import policy_found, policy_meaning, policy_sent

__all__ = ["TYPES"]

KEY: Final = Type(
    token="aws:kms/key:Key",  # noqa: S106 a Pulumi type token
    service="kms",
    create=Call("create_key", {"Policy": policy_sent("policy")}, auto=True, omit=("deletionWindowInDays", "policy")),
    id="response.KeyMetadata.KeyId",
    read=Call("describe_key", {"KeyId": "id"}, result="KeyMetadata"),
    more={
        "policy": Call("get_key_policy", {"KeyId": "id", "PolicyName": "'default'"}, result="Policy"),
        "rotation": Call("get_key_rotation_status", {"KeyId": "id"}, when="it.KeySpec == 'SYMMETRIC_DEFAULT'"),
        "tags": Call("list_resource_tags", {"KeyId": "id"}, result="Tags"),
    },
    rename={"customerMasterKeySpec": "KeySpec", "isEnabled": "Enabled"},
    outputs={
        "policy": policy_found("policy", lambda view: view.more.get("policy")),
        "enableKeyRotation": "more.rotation.KeyRotationEnabled",
        "rotationPeriodInDays": "more.rotation.RotationPeriodInDays",
    },
    replaces=("customerMasterKeySpec", "keyUsage", "multiRegion"),
    settings=(
        Setting(
            ("description",),
            [Call("update_key_description", {"KeyId": "id", "Description": "inputs.description || ''"})],
            at_create=False,
        ),
        Setting(
            ("policy",),
            [Call("put_key_policy", {"KeyId": "id", "PolicyName": "'default'", "Policy": policy_sent("policy")})],
            at_create=False,
        ),
        Setting(
            ("enableKeyRotation", "rotationPeriodInDays"),
            [
                Call(
                    "enable_key_rotation",
                    {"KeyId": "id", "RotationPeriodInDays": "inputs.rotationPeriodInDays"},
                    when="inputs.enableKeyRotation",
                ),
                Call("disable_key_rotation", {"KeyId": "id"}, when="inputs.enableKeyRotation == `false`"),
            ],
            initial={"enableKeyRotation": False},
        ),
        Setting(
            ("isEnabled",),
            [
                Call("enable_key", {"KeyId": "id"}, when="inputs.isEnabled"),
                Call("disable_key", {"KeyId": "id"}, when="inputs.isEnabled == `false`"),
            ],
            initial={"isEnabled": True},
        ),
    ),
    tags=Tags(
        add=Call("tag_resource", {"KeyId": "id", "Tags": "tags"}),
        remove=Call("untag_resource", {"KeyId": "id", "TagKeys": "tag_keys"}),
        keys=("TagKey", "TagValue"),
        found="more.tags",
    ),
    delete=[
        Call(
            "schedule_key_deletion",
            {"KeyId": "id", "PendingWindowInDays": "outputs.deletionWindowInDays || `30`"},
        )
    ],
    gone=Wait("it.KeyState", done=("PendingDeletion", "PendingReplicaDeletion")),
    defaults={
        "bypassPolicyLockoutSafetyCheck": False,
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "enableKeyRotation": False,
        "isEnabled": True,
        "keyUsage": "ENCRYPT_DECRYPT",
    },
    ignored=("deletionWindowInDays", "bypassPolicyLockoutSafetyCheck"),
    same={"policy": policy_meaning},
    unsupported=("customKeyStoreId", "xksKeyId"),
)


def _with_prefix(name: Any) -> str:
    """AWS wants `alias/…`; a name made from the logical name has no prefix."""
    return str(name) if str(name).startswith("alias/") else f"alias/{name}"


def _alias(view: View) -> str:
    return _with_prefix(view.inputs["name"])


ALIAS_NAME: Final[Source] = _alias

ALIAS: Final = Type(
    token="aws:kms/alias:Alias",  # noqa: S106 a Pulumi type token
    service="kms",
    create=Call("create_alias", {"AliasName": ALIAS_NAME, "TargetKeyId": "inputs.targetKeyId"}),
    id=ALIAS_NAME,
    recover=ALIAS_NAME,
    read=Call("describe_key", {"KeyId": "id"}, result="KeyMetadata"),
    outputs={
        "arn": arn("kms", "{id}"),
        "name": "id",
        "targetKeyArn": "it.Arn",
        "targetKeyId": "it.KeyId",
    },
    replaces=("name", "namePrefix"),
    settings=(
        Setting(
            ("targetKeyId",),
            [Call("update_alias", {"AliasName": "id", "TargetKeyId": "inputs.targetKeyId"})],
            at_create=False,
        ),
    ),
    delete=[Call("delete_alias", {"AliasName": "id"})],
    autoname="name",
    autoname_length=250,
    same={"name": _with_prefix, "targetKeyId": lambda key: str(key).rpartition("/")[2]},
    unique=("name",),
)

TYPES: Final = (KEY, ALIAS)
