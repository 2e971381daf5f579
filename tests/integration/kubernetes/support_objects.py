"""Inputs as a program writes them."""

from __future__ import annotations

from typing import Any

from tests.support_kube import urn_of

__all__ = [
    "CONFIG_MAP",
    "DEPLOYMENT",
    "SECRET",
    "SERVICE",
    "config_map",
    "deployment",
    "secret",
    "service",
]

CONFIG_MAP = urn_of("kubernetes:core/v1:ConfigMap", "settings")
DEPLOYMENT = urn_of("kubernetes:apps/v1:Deployment", "web")
SERVICE = urn_of("kubernetes:core/v1:Service", "web")
SECRET = urn_of("kubernetes:core/v1:Secret", "token")


def config_map(name: str | None = "settings", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name} if name else {}, "data": data or {"colour": "blue"}}


def deployment(*, replicas: int = 1, image: str = "nginx:1", cpu: str = "1000m", gpus: int = 0) -> dict[str, Any]:
    limits = {"cpu": cpu, **({"nvidia.com/gpu": gpus} if gpus else {})}
    container = {
        "name": "web",
        "image": image,
        "ports": [{"containerPort": 80}],
        "env": [{"name": "MODE", "value": "fast"}],
        "resources": {"limits": limits},
    }
    return {
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
        },
    }


def service(port: int = 80) -> dict[str, Any]:
    return {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": port}]}}


def secret(value: str = "s3cret") -> dict[str, Any]:
    return {"metadata": {"name": "token"}, "stringData": {"key": value}}
