"""Elastic Load Balancing v2: load balancers, target groups and listeners.

Much of a load balancer or target group is a list of key and value ("attributes") in AWS and a property in the SDK; the
tables below say which is which. Values are text in AWS; the SDK's schema gives them their type back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Source, Tags, Type, View, Wait
from sandbox.aws_provider.types.lb_targets import (
    HEALTH_SENT,
    as_text,
    health_found,
    stickiness_found,
    stickiness_sent,
)

__all__ = ["TYPES"]

TAGS: Final = Tags(
    add=Call("add_tags", {"ResourceArns": "[id]", "Tags": "tags"}),
    remove=Call("remove_tags", {"ResourceArns": "[id]", "TagKeys": "tag_keys"}),
    found="more.tags",
)
READ_TAGS: Final = Call("describe_tags", {"ResourceArns": "[id]"}, result="TagDescriptions[0].Tags")

BALANCER_ATTRIBUTES: Final = {
    "clientKeepAlive": "client_keep_alive.seconds",
    "desyncMitigationMode": "routing.http.desync_mitigation_mode",
    "dnsRecordClientRoutingPolicy": "dns_record.client_routing_policy",
    "dropInvalidHeaderFields": "routing.http.drop_invalid_header_fields.enabled",
    "enableCrossZoneLoadBalancing": "load_balancing.cross_zone.enabled",
    "enableDeletionProtection": "deletion_protection.enabled",
    "enableHttp2": "routing.http2.enabled",
    "enableTlsVersionAndCipherSuiteHeaders": "routing.http.x_amzn_tls_version_and_cipher_suite.enabled",
    "enableWafFailOpen": "waf.fail_open.enabled",
    "enableXffClientPort": "routing.http.xff_client_port.enabled",
    "enableZonalShift": "zonal_shift.config.enabled",
    "idleTimeout": "idle_timeout.timeout_seconds",
    "preserveHostHeader": "routing.http.preserve_host_header.enabled",
    "xffHeaderProcessingMode": "routing.http.xff_header_processing.mode",
}
# The upstream provider's defaults (internal/service/elbv2/load_balancer.go), AWS's own as well.
BALANCER_DEFAULTS: Final[dict[str, Any]] = {
    "clientKeepAlive": 3600,
    "desyncMitigationMode": "defensive",
    "dnsRecordClientRoutingPolicy": "any_availability_zone",
    "dropInvalidHeaderFields": False,
    "enableCrossZoneLoadBalancing": False,
    "enableDeletionProtection": False,
    "enableHttp2": True,
    "enableTlsVersionAndCipherSuiteHeaders": False,
    "enableWafFailOpen": False,
    "enableXffClientPort": False,
    "enableZonalShift": False,
    "idleTimeout": 60,
    "preserveHostHeader": False,
    "xffHeaderProcessingMode": "append",
}
TARGET_ATTRIBUTES: Final = {
    "connectionTermination": "deregistration_delay.connection_termination.enabled",
    "deregistrationDelay": "deregistration_delay.timeout_seconds",
    "lambdaMultiValueHeadersEnabled": "lambda.multi_value_headers.enabled",
    "loadBalancingAlgorithmType": "load_balancing.algorithm.type",
    "loadBalancingAnomalyMitigation": "load_balancing.algorithm.anomaly_mitigation",
    "loadBalancingCrossZoneEnabled": "load_balancing.cross_zone.enabled",
    "preserveClientIp": "preserve_client_ip.enabled",
    "proxyProtocolV2": "proxy_protocol_v2.enabled",
    "slowStart": "slow_start.duration_seconds",
}
TARGET_DEFAULTS: Final[dict[str, Any]] = {
    "deregistrationDelay": 300,
    "lambdaMultiValueHeadersEnabled": False,
    "proxyProtocolV2": False,
    "slowStart": 0,
}


def _attributes(names: Mapping[str, str], defaults: Mapping[str, Any]) -> Callable[[View], list[dict[str, str]]]:
    """Attributes to send: only those that are not as wanted, because AWS refuses some on some types."""

    def build(view: View) -> list[dict[str, str]]:
        known = view.outputs or defaults
        wanted = {name: view.inputs.get(name) for name in names}
        changed = [name for name, value in wanted.items() if value is not None and value != known.get(name)]
        return [{"Key": names[name], "Value": as_text(wanted[name])} for name in changed]

    return build


def _attribute(key: str, name: str, default: Any) -> Source:
    """An attribute as AWS has it; where this kind of load balancer or target group lacks it, what the program says."""

    def value(view: View) -> Any:
        told = next((item["Value"] for item in view.more.get("attributes") or () if item["Key"] == key), None)
        return told if told is not None else view.inputs.get(name, view.outputs.get(name, default))

    return value


def _found(names: Mapping[str, str], defaults: Mapping[str, Any], others: Mapping[str, Source]) -> dict[str, Source]:
    """Outputs from attributes, and `others`."""
    return {name: _attribute(key, name, defaults.get(name)) for name, key in names.items()} | dict(others)


def _logs_sent(view: View) -> list[dict[str, str]]:
    """Access logs are three attributes; switching them on needs the bucket in the same call."""
    logs = view.inputs.get("accessLogs") or {}
    enabled = bool(logs.get("enabled"))
    sent = {"enabled": as_text(enabled)} | (
        {"bucket": logs["bucket"], "prefix": logs.get("prefix", "")} if enabled else {}
    )
    return [{"Key": f"access_logs.s3.{name}", "Value": value} for name, value in sent.items()]


def _logs_found(view: View) -> dict[str, Any] | None:
    found = {item["Key"]: item["Value"] for item in view.more.get("attributes") or ()}
    if found.get("access_logs.s3.enabled") != "true":
        return None
    prefix = found.get("access_logs.s3.prefix")
    return {"enabled": True, "bucket": found.get("access_logs.s3.bucket", "")} | ({"prefix": prefix} if prefix else {})


def _suffix(marker: str) -> Source:
    """What CloudWatch calls the resource: the end of the ARN, from `marker` on."""
    return lambda view: view.id[view.id.index(marker) + len(marker) :]


LOAD_BALANCER: Final = Type(
    token="aws:lb/loadBalancer:LoadBalancer",  # noqa: S106 a Pulumi type token
    service="elbv2",
    create=Call("create_load_balancer", {"Scheme": "inputs.internal && 'internal' || 'internet-facing'"}, auto=True),
    id="response.LoadBalancers[0].LoadBalancerArn",
    read=Call("describe_load_balancers", {"LoadBalancerArns": "[id]"}, result="LoadBalancers[0]"),
    more={
        "attributes": Call("describe_load_balancer_attributes", {"LoadBalancerArn": "id"}, result="Attributes"),
        "tags": READ_TAGS,
    },
    rename={
        "arn": "LoadBalancerArn",
        "loadBalancerType": "Type",
        "subnetMappings.privateIpv4Address": "PrivateIPv4Address",
        "subnetMappings.ipv6Address": "IPv6Address",
        "zoneId": "CanonicalHostedZoneId",
    },
    outputs=_found(
        BALANCER_ATTRIBUTES,
        BALANCER_DEFAULTS,
        {
            "arnSuffix": _suffix(":loadbalancer/"),
            "accessLogs": _logs_found,
            "internal": "it.Scheme == 'internal'",
            "name": "it.LoadBalancerName",
            "subnetMappings": "it.AvailabilityZones[].{subnetId: SubnetId}",
            "subnets": "it.AvailabilityZones[].SubnetId",
        },
    ),
    replaces=("name", "namePrefix", "internal", "loadBalancerType", "subnetMappings"),
    settings=(
        Setting(
            tuple(BALANCER_ATTRIBUTES),
            [
                Call(
                    "modify_load_balancer_attributes",
                    {"LoadBalancerArn": "id", "Attributes": _attributes(BALANCER_ATTRIBUTES, BALANCER_DEFAULTS)},
                    when=_attributes(BALANCER_ATTRIBUTES, BALANCER_DEFAULTS),
                )
            ],
            initial=BALANCER_DEFAULTS,
        ),
        Setting(
            ("accessLogs",),
            [Call("modify_load_balancer_attributes", {"LoadBalancerArn": "id", "Attributes": _logs_sent})],
            unset=[Call("modify_load_balancer_attributes", {"LoadBalancerArn": "id", "Attributes": _logs_sent})],
        ),
        Setting(
            ("securityGroups",),
            [Call("set_security_groups", {"LoadBalancerArn": "id", "SecurityGroups": "inputs.securityGroups"})],
            at_create=False,
        ),
        Setting(
            ("subnets",),
            [Call("set_subnets", {"LoadBalancerArn": "id", "Subnets": "inputs.subnets"})],
            at_create=False,
        ),
        Setting(
            ("ipAddressType",),
            [Call("set_ip_address_type", {"LoadBalancerArn": "id", "IpAddressType": "inputs.ipAddressType"})],
            at_create=False,
        ),
    ),
    tags=TAGS,
    delete=[Call("delete_load_balancer", {"LoadBalancerArn": "id"})],
    ready=Wait("it.State.Code", done=("active",), failed=("failed",), timeout_seconds=600),
    not_found=("LoadBalancerNotFound",),
    defaults={"loadBalancerType": "application"} | BALANCER_DEFAULTS,
    autoname="name",
    autoname_length=32,
    clears=("accessLogs",),
    unsupported=(
        "connectionLogs",
        "customerOwnedIpv4Pool",
        "enablePrefixForIpv6SourceNat",
        "enforceSecurityGroupInboundRulesOnPrivateLinkTraffic",
        "healthCheckLogs",
        "ipamPools",
        "minimumLoadBalancerCapacity",
        "secondaryIpsAutoAssignedPerSubnet",
    ),
    unique=("name",),
)


def _target_suffix(view: View) -> str:
    """What CloudWatch calls it: `targetgroup/name/id`."""
    return view.id.rpartition(":")[2]


TARGET_GROUP: Final = Type(
    token="aws:lb/targetGroup:TargetGroup",  # noqa: S106 a Pulumi type token
    service="elbv2",
    create=Call("create_target_group", HEALTH_SENT, auto=True, omit=("healthCheck",)),
    id="response.TargetGroups[0].TargetGroupArn",
    read=Call("describe_target_groups", {"TargetGroupArns": "[id]"}, result="TargetGroups[0]"),
    more={
        "attributes": Call("describe_target_group_attributes", {"TargetGroupArn": "id"}, result="Attributes"),
        "tags": READ_TAGS,
    },
    rename={"arn": "TargetGroupArn"},
    outputs=_found(
        TARGET_ATTRIBUTES,
        TARGET_DEFAULTS,
        {
            "arnSuffix": _target_suffix,
            "healthCheck": health_found,
            "name": "it.TargetGroupName",
            "stickiness": stickiness_found,
        },
    ),
    replaces=("ipAddressType", "name", "namePrefix", "port", "protocol", "protocolVersion", "targetType", "vpcId"),
    settings=(
        Setting(
            ("healthCheck",),
            [Call("modify_target_group", {"TargetGroupArn": "id"} | HEALTH_SENT)],
            at_create=False,
        ),
        Setting(
            tuple(TARGET_ATTRIBUTES),
            [
                Call(
                    "modify_target_group_attributes",
                    {"TargetGroupArn": "id", "Attributes": _attributes(TARGET_ATTRIBUTES, TARGET_DEFAULTS)},
                    when=_attributes(TARGET_ATTRIBUTES, TARGET_DEFAULTS),
                )
            ],
            initial=TARGET_DEFAULTS,
        ),
        Setting(
            ("stickiness",),
            [Call("modify_target_group_attributes", {"TargetGroupArn": "id", "Attributes": stickiness_sent})],
        ),
    ),
    tags=TAGS,
    delete=[Call("delete_target_group", {"TargetGroupArn": "id"})],
    not_found=("TargetGroupNotFound",),
    retry_delete=("ResourceInUse",),
    defaults={"targetType": "instance"} | TARGET_DEFAULTS,
    autoname="name",
    autoname_length=32,
    unsupported=("targetControlPort", "targetFailovers", "targetGroupHealth", "targetHealthStates"),
    unique=("name",),
)


def _certificates(view: View) -> list[dict[str, str]] | None:
    given = view.inputs.get("certificateArn")
    return [{"CertificateArn": given}] if given else None


LISTENER: Final = Type(
    token="aws:lb/listener:Listener",  # noqa: S106 a Pulumi type token
    service="elbv2",
    create=Call("create_listener", {"Certificates": _certificates}, auto=True, omit=("certificateArn",)),
    id="response.Listeners[0].ListenerArn",
    read=Call("describe_listeners", {"ListenerArns": "[id]"}, result="Listeners[0]"),
    more={"tags": READ_TAGS},
    rename={
        "arn": "ListenerArn",
        "defaultActions.authenticateCognito": "AuthenticateCognitoConfig",
        "defaultActions.authenticateOidc": "AuthenticateOidcConfig",
        "defaultActions.fixedResponse": "FixedResponseConfig",
        "defaultActions.forward": "ForwardConfig",
        "defaultActions.forward.stickiness": "TargetGroupStickinessConfig",
        "defaultActions.forward.stickiness.duration": "DurationSeconds",
        "defaultActions.forward.targetGroups.arn": "TargetGroupArn",
        "defaultActions.jwtValidation": "JwtValidationConfig",
        "defaultActions.redirect": "RedirectConfig",
    },
    outputs={"certificateArn": "it.Certificates[0].CertificateArn"},
    replaces=("loadBalancerArn",),
    update=Call(
        "modify_listener", {"ListenerArn": "id", "Certificates": _certificates}, auto=True, omit=("certificateArn",)
    ),
    tags=TAGS,
    delete=[Call("delete_listener", {"ListenerArn": "id"})],
    not_found=("ListenerNotFound", "LoadBalancerNotFound"),
    ordered=("defaultActions",),
    unsupported=(
        "mutualAuthentication",
        *(
            f"routingHttpRequestXAmznMtlsClientcert{name}HeaderName"
            for name in ("", "Issuer", "Leaf", "SerialNumber", "Subject", "Validity")
        ),
        "routingHttpRequestXAmznTlsCipherSuiteHeaderName",
        "routingHttpRequestXAmznTlsVersionHeaderName",
        *(
            f"routingHttpResponseAccessControl{name}HeaderValue"
            for name in ("AllowCredentials", "AllowHeaders", "AllowMethods", "AllowOrigin", "ExposeHeaders", "MaxAge")
        ),
        "routingHttpResponseContentSecurityPolicyHeaderValue",
        "routingHttpResponseServerEnabled",
        "routingHttpResponseStrictTransportSecurityHeaderValue",
        "routingHttpResponseXContentTypeOptionsHeaderValue",
        "routingHttpResponseXFrameOptionsHeaderValue",
        "tcpIdleTimeoutSeconds",
    ),
    unique=("loadBalancerArn", "port"),
)

TYPES: Final = (LOAD_BALANCER, TARGET_GROUP, LISTENER)
