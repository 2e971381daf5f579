"""Doors from the private subnets to AWS's own services, so that no server needs a way to the internet.

S3 gets a gateway endpoint (free; carries weights and image layers), the others an interface endpoint each, which costs
by zone and hour. An endpoint's policy grants nothing: it bounds who may pass, here the principals of the own account.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import ec2, vpc

__all__ = [
    "INTERFACE_SERVICES",
    "Account",
    "Endpoints",
    "EndpointsArgs",
    "SharedEndpoints",
    "SharedEndpointsArgs",
    "own_account_policy",
    "s3_policy",
]

HTTPS_PORT = 443
INTERFACE_SERVICES = (
    "ssm", "ssmmessages", "ec2messages", "secretsmanager", "kms", "logs", "ecr.api", "ecr.dkr", "monitoring",
)  # fmt: skip
"""Session Manager needs the first three (Systems Manager guide, VPC endpoints), an image pull both of ECR and S3 (ECR
guide, interface VPC endpoints); then secrets, keys, CloudWatch Logs and metrics."""
LAYER_BUCKET = "prod-{region}-starport-layer-bucket"
"""Where ECR keeps image layers (ECR guide, minimum S3 permissions); read with URLs that ECR signed, so not as ours."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose principals may pass, and where: what a policy is written with."""

    id: str
    partition: str
    region: str


@dataclass(frozen=True, slots=True)
class EndpointsArgs:
    """Where the endpoints stand, and the one security group whose members may use them."""

    account: Account
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    route_table_ids: Sequence[pulumi.Input[str]]
    client_group_id: pulumi.Input[str]
    has_interfaces: bool
    """False leaves S3 alone: no hourly cost, and no service but S3 can be reached."""
    tags: Mapping[str, str]


class Endpoints(pulumi.ComponentResource):
    """S3 gateway endpoint, interface endpoints behind a group of their own, and the rules that let the servers in."""

    def __init__(self, name: str, args: EndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:Endpoints", name, None, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        self._allow("s3", "Weights and image layers from S3", prefix_list_id=self._gateway().prefix_list_id)
        if args.has_interfaces:
            group = self._group()
            for service in INTERFACE_SERVICES:
                self._interface(service, group)
            self._allow("services", "HTTPS to the endpoints of AWS services", referenced_security_group_id=group.id)
        self.register_outputs({})

    def _gateway(self) -> ec2.VpcEndpoint:
        return ec2.VpcEndpoint(
            f"{self._name}-s3",
            vpc_id=self._args.vpc_id,
            service_name=self._service("s3"),
            vpc_endpoint_type="Gateway",
            route_table_ids=list(self._args.route_table_ids),
            policy=s3_policy(self._args.account),
            tags=self._tags("s3"),
            opts=self._child,
        )

    def _interface(self, service: str, group: ec2.SecurityGroup) -> None:
        role = service.replace(".", "-")
        ec2.VpcEndpoint(
            f"{self._name}-{role}",
            vpc_id=self._args.vpc_id,
            service_name=self._service(service),
            vpc_endpoint_type="Interface",
            subnet_ids=list(self._args.subnet_ids),
            security_group_ids=[group.id],
            private_dns_enabled=True,
            policy=own_account_policy(self._args.account),
            tags=self._tags(role),
            opts=self._child,
        )

    def _group(self) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            f"{self._name}-group",
            vpc_id=self._args.vpc_id,
            description="VPC endpoints: HTTPS from the model servers in, nothing out",
            tags=self._tags("group"),
            opts=self._child,
        )
        vpc.SecurityGroupIngressRule(
            f"{self._name}-from-server",
            security_group_id=group.id,
            description="HTTPS from the model servers",
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            referenced_security_group_id=self._args.client_group_id,
            opts=self._child,
        )
        return group

    def _allow(self, role: str, description: str, **destination: Any) -> None:
        """Let the servers out to one destination."""
        vpc.SecurityGroupEgressRule(
            f"{self._name}-to-{role}",
            security_group_id=self._args.client_group_id,
            description=description,
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            opts=self._child,
            **destination,
        )

    def _service(self, service: str) -> str:
        return f"com.amazonaws.{self._args.account.region}.{service}"

    def _tags(self, role: str) -> dict[str, str]:
        return {**self._args.tags, "Name": f"{pulumi.get_stack()}-{self._name}-{role}"}


@dataclass(frozen=True, slots=True)
class SharedEndpointsArgs:
    """The endpoints that an existing VPC has, by where they are: groups of its owner are not known here."""

    cidrs: Sequence[str]
    s3_prefix_list_id: str
    client_group_id: pulumi.Input[str]


class SharedEndpoints(pulumi.ComponentResource):
    """Rules that let the servers out to endpoints which are not the stack's."""

    def __init__(self, name: str, args: SharedEndpointsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:SharedEndpoints", name, None, opts)
        destinations: dict[str, dict[str, Any]] = {"s3": {"prefix_list_id": args.s3_prefix_list_id}}
        destinations |= {f"vpc-{index}": {"cidr_ipv4": cidr} for index, cidr in enumerate(args.cidrs)}
        for role, destination in destinations.items():
            vpc.SecurityGroupEgressRule(
                f"{name}-to-{role}",
                security_group_id=args.client_group_id,
                description="HTTPS to endpoints of AWS services that the VPC has",
                ip_protocol="tcp",
                from_port=HTTPS_PORT,
                to_port=HTTPS_PORT,
                opts=pulumi.ResourceOptions(parent=self),
                **destination,
            )
        self.register_outputs({})


def own_account_policy(account: Account) -> str:
    """Only principals of the own account pass: stolen credentials of another account carry nothing out through here."""
    return _policy(_statement("OwnPrincipals", "*", "*", StringEquals={"aws:PrincipalAccount": account.id}))


def s3_policy(account: Account) -> str:
    """Own principals read every bucket that lets them (weights may lie in a sister account) and write own ones only.

    ECR's layer bucket stands beside them without a condition: its URLs are signed by ECR, not by our role.
    """
    own = {"aws:PrincipalAccount": account.id}
    layers = f"arn:{account.partition}:s3:::{LAYER_BUCKET.format(region=account.region)}/*"
    return _policy(
        _statement("OwnPrincipalsRead", ["s3:GetObject*", "s3:GetBucketLocation", "s3:ListBucket"], "*",
                   StringEquals=own),
        _statement("OwnPrincipalsInOwnBuckets", "s3:*", "*", StringEquals={**own, "aws:ResourceAccount": account.id}),
        _statement("ImageLayers", "s3:GetObject", layers),
    )  # fmt: skip


def _statement(sid: str, action: str | list[str], resource: str, **condition: Mapping[str, str]) -> dict[str, Any]:
    statement = {"Sid": sid, "Effect": "Allow", "Principal": "*", "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def _policy(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
