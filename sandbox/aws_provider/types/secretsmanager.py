"""Secrets Manager: secrets and their versions. A secret in its recovery window counts as deleted."""

from __future__ import annotations

import base64
from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Tags, Type, View, Wait
from sandbox.aws_provider.sources import id_part, policy_found, policy_meaning, policy_sent, remembered

__all__ = ["TYPES"]


def _forced(view: View) -> bool | None:
    """A window of 0 days means "at once"."""
    return True if view.outputs.get("recoveryWindowInDays") == 0 else None


SECRET: Final = Type(
    token="aws:secretsmanager/secret:Secret",  # noqa: S106 a Pulumi type token
    service="secretsmanager",
    create=Call("create_secret", auto=True),
    id="response.ARN",
    read=Call("describe_secret", {"SecretId": "id"}),
    more={"policy": Call("get_resource_policy", {"SecretId": "id"}, result="ResourcePolicy")},
    outputs={
        "policy": policy_found("policy", lambda view: view.more.get("policy")),
        "recoveryWindowInDays": remembered("recoveryWindowInDays", 30),
    },
    replaces=("name", "namePrefix"),
    settings=(
        Setting(
            ("description", "kmsKeyId"),
            [
                Call(
                    "update_secret",
                    {"SecretId": "id", "Description": "inputs.description || ''", "KmsKeyId": "inputs.kmsKeyId"},
                )
            ],
            at_create=False,
        ),
        Setting(
            ("policy",),
            [Call("put_resource_policy", {"SecretId": "id", "ResourcePolicy": policy_sent("policy")})],
            unset=[Call("delete_resource_policy", {"SecretId": "id"})],
        ),
    ),
    tags=Tags(
        add=Call("tag_resource", {"SecretId": "id", "Tags": "tags"}),
        remove=Call("untag_resource", {"SecretId": "id", "TagKeys": "tag_keys"}),
    ),
    delete=[
        Call(
            "delete_secret",
            {
                "SecretId": "id",
                "RecoveryWindowInDays": "[outputs.recoveryWindowInDays][?@ != `0`] | [0]",
                "ForceDeleteWithoutRecovery": _forced,
            },
        )
    ],
    gone=Wait("it.DeletedDate && 'deleted'", done=("deleted",)),
    defaults={"forceOverwriteReplicaSecret": False, "recoveryWindowInDays": 30},
    autoname="name",
    autoname_length=512,
    clears=("description", "kmsKeyId"),
    ignored=("recoveryWindowInDays",),
    same={"policy": policy_meaning},
    unsupported=("forceOverwriteReplicaSecret", "replicas", "type"),
    unique=("name",),
)


def _binary(view: View) -> bytes | None:
    """The program gives base64 text, boto3 takes bytes."""
    text = view.inputs.get("secretBinary")
    return None if text is None else base64.b64decode(text)


def _stages(view: View) -> Any:
    return view.it.get("VersionStages")


SECRET_VERSION: Final = Type(
    token="aws:secretsmanager/secretVersion:SecretVersion",  # noqa: S106 a Pulumi type token
    service="secretsmanager",
    create=Call(
        "put_secret_value",
        {"SecretId": "inputs.secretId", "SecretString": "inputs.secretString", "SecretBinary": _binary},
    ),
    id="join('|', [inputs.secretId, response.VersionId])",
    recover="inputs.secretId",
    read=Call("get_secret_value", {"SecretId": id_part(0, "|"), "VersionId": id_part(1, "|")}),
    outputs={"secretId": id_part(0, "|"), "secretArn": "it.ARN", "versionStages": _stages},
    replaces=("secretId", "secretString", "secretBinary"),
    delete=(),  # AWS drops old versions by itself, and the current one goes with its secret
    not_found=("InvalidRequestException",),  # the secret waits for its deletion
    secret=("secretString", "secretBinary"),
    unsupported=("secretStringWo", "secretStringWoVersion", "versionStages"),
)

TYPES: Final = (SECRET, SECRET_VERSION)
