"""Health checks and stickiness of target groups: objects in the SDK, flat members and attributes in AWS."""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws_provider.description import Source, View

__all__ = [
    "HEALTH_SENT",
    "as_text",
    "health_found",
    "stickiness_found",
    "stickiness_sent",
]

HEALTH_CHECK: Final = {
    "enabled": "HealthCheckEnabled",
    "healthyThreshold": "HealthyThresholdCount",
    "interval": "HealthCheckIntervalSeconds",
    "path": "HealthCheckPath",
    "port": "HealthCheckPort",
    "protocol": "HealthCheckProtocol",
    "timeout": "HealthCheckTimeoutSeconds",
    "unhealthyThreshold": "UnhealthyThresholdCount",
}
# What a given health check means where it is silent (the upstream provider's defaults).
HEALTH_DEFAULTS: Final[dict[str, Any]] = {
    "enabled": True,
    "healthyThreshold": 3,
    "interval": 30,
    "port": "traffic-port",
    "protocol": "HTTP",
    "unhealthyThreshold": 3,
}


def _health(name: str) -> Source:
    def sent(view: View) -> Any:
        check = view.inputs.get("healthCheck")
        return None if not check else check.get(name, HEALTH_DEFAULTS.get(name))

    return sent


def health_found(view: View) -> dict[str, Any]:
    matcher = view.it.get("Matcher") or {}
    found = {name: view.it.get(member) for name, member in HEALTH_CHECK.items()}
    found["matcher"] = matcher.get("HttpCode") or matcher.get("GrpcCode")
    return {name: value for name, value in found.items() if value is not None}


def stickiness_sent(view: View) -> list[dict[str, str]] | None:
    given = view.inputs.get("stickiness")
    if not given:
        return None
    kind = str(given["type"])
    sent = {"stickiness.enabled": given.get("enabled", True), "stickiness.type": kind}
    if kind in ("lb_cookie", "app_cookie"):
        sent[f"stickiness.{kind}.duration_seconds"] = given.get("cookieDuration", 86400)
    if kind == "app_cookie":
        sent["stickiness.app_cookie.cookie_name"] = given.get("cookieName", "")
    return [{"Key": key, "Value": as_text(value)} for key, value in sent.items()]


def stickiness_found(view: View) -> dict[str, Any] | None:
    found = {item["Key"]: item["Value"] for item in view.more.get("attributes") or ()}
    kind = found.get("stickiness.type")
    if kind is None:
        return None
    duration = int(found.get(f"stickiness.{kind}.duration_seconds", 86400))
    name = found.get("stickiness.app_cookie.cookie_name", "")
    return {
        "enabled": found.get("stickiness.enabled") == "true",
        "type": kind,
        "cookieDuration": duration,
        "cookieName": name if kind == "app_cookie" else "",
    }


HEALTH_SENT: Final[dict[str, Source]] = {member: _health(name) for name, member in HEALTH_CHECK.items()} | {
    "Matcher.HttpCode": _health("matcher")
}


def as_text(value: Any) -> str:
    """How attributes are written: all of them are text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
