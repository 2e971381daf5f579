"""IAM: roles, their inline and attached policies, and instance profiles.

Policies of a role are resources of their own here. The deprecated inline forms (`inlinePolicies`, `managedPolicyArns`)
are refused, and their computed outputs stay empty: listing attachments there would show each of them as drift.
"""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Tags, Type, View
from sandbox.aws_provider.sources import id_part, policy_found, policy_meaning, policy_sent

__all__ = ["TYPES"]


def _foreign_attachments(view: View) -> Any:
    """Policies that somebody attached; only `forceDetachPolicies` takes them away."""
    if not view.outputs.get("forceDetachPolicies"):
        return ()
    return view.call("iam", "list_attached_role_policies", RoleName=view.id)["AttachedPolicies"]


def _foreign_policies(view: View) -> Any:
    if not view.outputs.get("forceDetachPolicies"):
        return ()
    return view.call("iam", "list_role_policies", RoleName=view.id)["PolicyNames"]


ROLE: Final = Type(
    token="aws:iam/role:Role",  # noqa: S106 a Pulumi type token
    service="iam",
    create=Call(
        "create_role",
        {"AssumeRolePolicyDocument": policy_sent("assumeRolePolicy")},
        auto=True,
        omit=("assumeRolePolicy",),
    ),
    id="response.Role.RoleName",
    read=Call("get_role", {"RoleName": "id"}, result="Role"),
    rename={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument", "uniqueId": "RoleId"},
    outputs={
        "assumeRolePolicy": policy_found("assumeRolePolicy", lambda view: view.it["AssumeRolePolicyDocument"]),
        "permissionsBoundary": "it.PermissionsBoundary.PermissionsBoundaryArn",
        "inlinePolicies": "`[]`",
        "managedPolicyArns": "`[]`",
    },
    replaces=("name", "namePrefix", "path"),
    settings=(
        Setting(
            ("description", "maxSessionDuration"),
            [
                Call(
                    "update_role",
                    {
                        "RoleName": "id",
                        "Description": "inputs.description || ''",
                        "MaxSessionDuration": "inputs.maxSessionDuration",
                    },
                )
            ],
            at_create=False,
        ),
        Setting(
            ("assumeRolePolicy",),
            [
                Call(
                    "update_assume_role_policy",
                    {"RoleName": "id", "PolicyDocument": policy_sent("assumeRolePolicy")},
                )
            ],
            at_create=False,
        ),
        Setting(
            ("permissionsBoundary",),
            [
                Call(
                    "put_role_permissions_boundary",
                    {"RoleName": "id", "PermissionsBoundary": "inputs.permissionsBoundary"},
                )
            ],
            at_create=False,
            unset=[Call("delete_role_permissions_boundary", {"RoleName": "id"})],
        ),
    ),
    tags=Tags(
        add=Call("tag_role", {"RoleName": "id", "Tags": "tags"}),
        remove=Call("untag_role", {"RoleName": "id", "TagKeys": "tag_keys"}),
    ),
    before_delete=[
        Call("detach_role_policy", {"RoleName": "id", "PolicyArn": "item.PolicyArn"}, each=_foreign_attachments),
        Call("delete_role_policy", {"RoleName": "id", "PolicyName": "item"}, each=_foreign_policies),
    ],
    delete=[Call("delete_role", {"RoleName": "id"})],
    retry_delete=("DeleteConflict",),
    defaults={"forceDetachPolicies": False, "maxSessionDuration": 3600, "path": "/"},
    autoname="name",
    autoname_length=64,
    same={"assumeRolePolicy": policy_meaning},
    clears=("description", "permissionsBoundary"),
    ignored=("forceDetachPolicies",),
    unsupported=("inlinePolicies", "managedPolicyArns"),
    unique=("name",),
)

ROLE_POLICY: Final = Type(
    token="aws:iam/rolePolicy:RolePolicy",  # noqa: S106 a Pulumi type token
    service="iam",
    create=Call("put_role_policy", {"PolicyDocument": policy_sent("policy")}, auto=True, omit=("policy",)),
    id="join(':', [inputs.role, inputs.name])",
    recover="join(':', [inputs.role, inputs.name])",
    read=Call("get_role_policy", {"RoleName": id_part(0, ":"), "PolicyName": id_part(1, ":")}),
    rename={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
    outputs={"policy": policy_found("policy", lambda view: view.it["PolicyDocument"])},
    replaces=("role", "name", "namePrefix"),
    update=Call("put_role_policy", {"PolicyDocument": policy_sent("policy")}, auto=True, omit=("policy",)),
    delete=[Call("delete_role_policy", {"RoleName": id_part(0, ":"), "PolicyName": id_part(1, ":")})],
    autoname="name",
    autoname_length=128,
    same={"policy": policy_meaning},
    unique=("role", "name"),
)


def _attached(view: View) -> Any:
    """The attachment of the policy in the id; AWS can only list all of a role."""
    policy = view.id.split("/", 1)[1]
    return next((found for found in view.response["AttachedPolicies"] if found["PolicyArn"] == policy), None)


ROLE_POLICY_ATTACHMENT: Final = Type(
    token="aws:iam/rolePolicyAttachment:RolePolicyAttachment",  # noqa: S106 a Pulumi type token
    service="iam",
    create=Call("attach_role_policy", auto=True),
    id="join('/', [inputs.role, inputs.policyArn])",
    recover="join('/', [inputs.role, inputs.policyArn])",
    read=Call("list_attached_role_policies", {"RoleName": id_part(0, "/")}, result=_attached),
    rename={"role": "RoleName"},
    outputs={"role": id_part(0, "/")},
    replaces=("role", "policyArn"),
    delete=[Call("detach_role_policy", {"RoleName": id_part(0, "/"), "PolicyArn": id_part(1, "/")})],
    unique=("role", "policyArn"),
)

INSTANCE_PROFILE: Final = Type(
    token="aws:iam/instanceProfile:InstanceProfile",  # noqa: S106 a Pulumi type token
    service="iam",
    create=Call("create_instance_profile", auto=True),
    id="response.InstanceProfile.InstanceProfileName",
    read=Call("get_instance_profile", {"InstanceProfileName": "id"}, result="InstanceProfile"),
    rename={"name": "InstanceProfileName", "uniqueId": "InstanceProfileId"},
    outputs={"role": "it.Roles[0].RoleName"},
    replaces=("name", "namePrefix", "path"),
    settings=(
        Setting(
            ("role",),
            [
                Call(
                    "remove_role_from_instance_profile",
                    {"InstanceProfileName": "id", "RoleName": "it.Roles[0].RoleName"},
                    when="it.Roles",
                    ignore=("NoSuchEntity",),
                ),
                Call("add_role_to_instance_profile", {"InstanceProfileName": "id", "RoleName": "inputs.role"}),
            ],
            unset=[
                Call(
                    "remove_role_from_instance_profile",
                    {"InstanceProfileName": "id", "RoleName": "outputs.role"},
                    ignore=("NoSuchEntity",),
                )
            ],
        ),
    ),
    tags=Tags(
        add=Call("tag_instance_profile", {"InstanceProfileName": "id", "Tags": "tags"}),
        remove=Call("untag_instance_profile", {"InstanceProfileName": "id", "TagKeys": "tag_keys"}),
    ),
    before_delete=[
        Call(
            "remove_role_from_instance_profile",
            {"InstanceProfileName": "id", "RoleName": "outputs.role"},
            when="outputs.role",
            ignore=("NoSuchEntity",),
        )
    ],
    delete=[Call("delete_instance_profile", {"InstanceProfileName": "id"})],
    retry_delete=("DeleteConflict",),
    defaults={"path": "/"},
    autoname="name",
    autoname_length=128,
    clears=("role",),
    unique=("name",),
)

TYPES: Final = (ROLE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT, INSTANCE_PROFILE)
