"""What exists in the fake AWS, as ids by type, so that "0 resources left" is counted there and not believed.

Read straight from moto's objects, all accounts and regions. Left out because no caller made them: the default VPC of a
region with its subnets (real accounts have it, and moto's own code relies on it, so it stays), default security groups,
main route tables and default network ACLs (they go with their VPC), AWS-managed policies and keys, public parameters,
images. What AWS makes on behalf of another resource is listed apart as `derived`. A KMS key that waits for its deletion
and a secret in its recovery window count as deleted: AWS offers nothing more to do with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["census", "forget", "note_new_group"]

Found = Iterator[tuple[str, str]]
Listing = dict[str, list[str]]

# Plain collections: (service, attribute of its backend) -> type. Keys are ids, except in ID_ATTRIBUTES.
PLAIN: dict[tuple[str, str], str] = {
    ("ec2", "egress_only_internet_gateways"): "ec2:egress-only-internet-gateway",
    ("ec2", "flow_logs"): "ec2:flow-log",
    ("ec2", "internet_gateways"): "ec2:internet-gateway",
    ("ec2", "key_pairs"): "ec2:key-pair",
    ("ec2", "launch_templates"): "ec2:launch-template",
    ("ec2", "transit_gateways"): "ec2:transit-gateway",
    ("ec2", "vpc_pcxs"): "ec2:vpc-peering-connection",
    ("iam", "instance_profiles"): "iam:instance-profile",
    ("iam", "open_id_providers"): "iam:oidc-provider",
    ("iam", "users"): "iam:user",
    ("s3", "buckets"): "s3:bucket",
    ("logs", "groups"): "logs:log-group",
    ("cloudwatch", "alarms"): "cloudwatch:alarm",
    ("cloudwatch", "dashboards"): "cloudwatch:dashboard",
    ("elbv2", "load_balancers"): "elbv2:load-balancer",
    ("elbv2", "target_groups"): "elbv2:target-group",
    ("autoscaling", "autoscaling_groups"): "autoscaling:group",
    ("autoscaling", "launch_configurations"): "autoscaling:launch-configuration",
    ("autoscaling", "policies"): "autoscaling:policy",
    ("eks", "clusters"): "eks:cluster",
    ("efs", "file_systems_by_id"): "efs:file-system",
    ("efs", "mount_targets_by_id"): "efs:mount-target",
    ("fsx", "file_systems"): "fsx:file-system",
}
ID_ATTRIBUTES = {"instance_profiles": "name"}
GROUP_TAG = "aws:autoscaling:groupName"
GROUP_ID = re.compile(rb"<groupId>(sg-[0-9a-f]+)</groupId>")

_rules_of_new_groups: set[str] = set()


def census() -> dict[str, Any]:
    """`resources` (what callers created) and `derived`, each ids by type; `counts` and `total` of the former."""
    from moto.core.base_backend import BackendDict

    resources: Listing = {}
    derived: Listing = {}
    for backends in list(BackendDict._instances):
        for _account, _region, backend in backends.iter_backends():
            for kind, identity in _found(backends.service_name, backend):
                target = derived if kind.startswith("derived ") else resources
                target.setdefault(kind.removeprefix("derived "), []).append(identity)
    counts = {kind: len(ids) for kind, ids in sorted(resources.items())}
    return {
        "resources": {kind: sorted(ids) for kind, ids in sorted(resources.items())},
        "derived": {kind: sorted(ids) for kind, ids in sorted(derived.items())},
        "counts": counts,
        "total": sum(counts.values()),
    }


def note_new_group(region: str, body: bytes) -> None:
    """Remember the egress rule that AWS puts into a new group, from the answer of CreateSecurityGroup.

    A caller's own "egress to all" looks just like it, so it cannot be told later.
    """
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ec2.models import ec2_backends

    found = GROUP_ID.search(body)
    group = ec2_backends[DEFAULT_ACCOUNT_ID][region].get_security_group_from_id(found[1].decode()) if found else None
    if group is not None:
        _rules_of_new_groups.update(rule.id for rule in group.egress_rules)


def forget() -> None:
    """After moto forgot everything."""
    _rules_of_new_groups.clear()


def _found(service: str, backend: Any) -> Found:
    for (owner, attribute), kind in PLAIN.items():
        if owner == service:
            for key, item in getattr(backend, attribute, {}).items():
                yield kind, str(getattr(item, ID_ATTRIBUTES[attribute]) if attribute in ID_ATTRIBUTES else key)
    for count in SPECIAL.get(service, ()):
        yield from count(backend)


def _networks(ec2: Any) -> Found:
    ours = {vpc.id for vpc in ec2.vpcs.values() if not vpc.is_default}
    yield from (("ec2:vpc", identity) for identity in ours)
    for subnets in ec2.subnets.values():
        yield from (("ec2:subnet", subnet.id) for subnet in subnets.values() if subnet.vpc_id in ours)
    for acl in ec2.network_acls.values():
        if acl.vpc_id in ours and not acl.default:
            yield "ec2:network-acl", acl.id
    for table in ec2.route_tables.values():
        if table.vpc_id not in ours:
            continue
        if table.main_association_id is None:
            yield "ec2:route-table", table.id
        yield from (("ec2:route-table-association", identity) for identity in table._associations)
        yield from (
            (("derived " if _is_of_an_endpoint(route) else "") + "ec2:route", route.id)
            for route in table.routes
            if not route.local
        )
    yield from (("ec2:nat-gateway", item.id) for item in ec2.nat_gateways.values() if item.state != "deleted")
    yield from (("ec2:vpc-endpoint", item.id) for item in ec2.vpc_end_points.values() if item.state != "deleted")
    yield from (("ec2:elastic-ip", item.allocation_id or item.public_ip) for item in ec2.addresses)


def _is_of_an_endpoint(route: Any) -> bool:
    """A gateway endpoint writes its route itself, and takes it away again."""
    return str(getattr(route.gateway, "id", "")).startswith("vpce-")


def _security_groups(ec2: Any) -> Found:
    defaults = {vpc.id for vpc in ec2.vpcs.values() if vpc.is_default}
    for vpc_id, groups in ec2.groups.items():
        for group in groups.values():
            own = group.name != "default"
            if own:
                yield "ec2:security-group", group.id
            for rule in (*group.ingress_rules, *group.egress_rules):
                made_by_aws = not own or rule.id in _rules_of_new_groups
                if vpc_id not in defaults or own:
                    yield ("derived " if made_by_aws else "") + "ec2:security-group-rule", rule.id


def _machines(ec2: Any) -> Found:
    roots: set[str] = set()
    for reservation in ec2.reservations.values():
        for instance in reservation.instances:
            if instance._state.name == "terminated":
                continue
            grouped = any(tag["key"] == GROUP_TAG for tag in instance.get_tags())
            yield ("derived " if grouped else "") + "ec2:instance", instance.id
            roots.update(_volumes_at_launch(instance))
    for volume in ec2.volumes.values():
        made_by_aws = volume.id in roots
        yield ("derived " if made_by_aws else "") + "ec2:volume", volume.id
        if volume.attachment is not None and not made_by_aws:
            yield "ec2:volume-attachment", f"{volume.id}:{volume.attachment.instance.id}"
    for snapshot in ec2.snapshots.values():
        if snapshot.from_ami is None:
            yield "ec2:snapshot", snapshot.id
    for image in ec2.amis.values():
        if image.owner_alias is None and image.owner_id == ec2.account_id:
            yield "ec2:image", image.id


def _volumes_at_launch(instance: Any) -> Iterator[str]:
    """Volumes from the launch's block devices: they go with the instance, attached ones do not."""
    for device in instance.block_device_mapping.values():
        if device.delete_on_termination:
            yield device.volume_id


def _interfaces(ec2: Any) -> Found:
    owned = {eni for endpoint in ec2.vpc_end_points.values() for eni in endpoint.network_interface_ids or []}
    deleted = {gateway._eni.id for gateway in ec2.nat_gateways.values() if gateway.state == "deleted"}
    owned |= {gateway._eni.id for gateway in ec2.nat_gateways.values()}
    for interface in ec2.enis.values():
        if interface.id in deleted or (interface.instance and interface.instance._state.name == "terminated"):
            continue  # moto keeps these, AWS does not
        made_by_aws = interface.id in owned or interface.instance is not None
        yield ("derived " if made_by_aws else "") + "ec2:network-interface", interface.id


def _identities(iam: Any) -> Found:
    for role in iam.roles.values():
        linked = str(role.path).startswith("/aws-service-role/")
        yield ("derived " if linked else "") + "iam:role", role.name
        yield from (("iam:role-policy", f"{role.name}:{name}") for name in role.policies)
        yield from (("iam:role-policy-attachment", f"{role.name}/{arn}") for arn in role.managed_policies)
    managed = {policy.arn for policy in iam.aws_managed_policies}
    yield from (("iam:policy", arn) for arn in iam.managed_policies if arn not in managed)


def _keys(kms: Any) -> Found:
    for key in kms.keys.values():
        if key.key_manager == "AWS" or any(alias.startswith("alias/aws/") for alias in key.aliases):
            continue
        if key.key_state != "PendingDeletion":
            yield "kms:key", key.id
        yield from (("kms:alias", alias) for alias in key.aliases)


def _parameters(ssm: Any) -> Found:
    yield from (("ssm:parameter", name) for name in dict.keys(ssm._parameters) if not name.startswith("/aws/"))


def _secrets(manager: Any) -> Found:
    for secret in dict.values(manager.secrets):
        if not secret.is_deleted():
            yield "secretsmanager:secret", secret.arn


def _listeners(elbv2: Any) -> Found:
    for balancer in elbv2.load_balancers.values():
        for listener in balancer.listeners.values():
            yield "elbv2:listener", listener.arn
            yield from (("elbv2:listener-rule", rule.arn) for rule in listener._non_default_rules.values())


def _scaling(autoscaling: Any) -> Found:
    for action in autoscaling.scheduled_actions.values():
        yield "autoscaling:scheduled-action", f"{action.auto_scaling_group_name}/{action.scheduled_action_name}"
    for hook in autoscaling.lifecycle_hooks.values():
        yield "autoscaling:lifecycle-hook", f"{hook.auto_scaling_group_name}/{hook.name}"


def _node_groups(eks: Any) -> Found:
    for cluster in eks.clusters.values():
        yield from (("eks:node-group", f"{cluster.name}:{name}") for name in cluster.nodegroups)


SPECIAL: dict[str, tuple[Callable[[Any], Found], ...]] = {
    "ec2": (_networks, _security_groups, _machines, _interfaces),
    "iam": (_identities,),
    "kms": (_keys,),
    "ssm": (_parameters,),
    "secretsmanager": (_secrets,),
    "elbv2": (_listeners,),
    "autoscaling": (_scaling,),
    "eks": (_node_groups,),
}
