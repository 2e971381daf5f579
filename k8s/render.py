"""Spec in, YAML text out: the bytes that `kubectl apply`, a GitOps folder and Pulumi share.

Escaping is not left to the templates: `finalize` turns every expression into JSON, which is YAML for exactly that
value. `no`, `1.10`, `0x10`, quotes and line ends all survive; `{{ name }}-svc` is no longer YAML: names are made here.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2

from k8s import quantity
from k8s.manifest import ManifestError
from k8s.spec import ServingSpec

__all__ = ["TEMPLATES", "RenderedFile", "encode", "render", "template_values"]

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "k8s"

APP = "model-server"
"""`app.kubernetes.io/name`. Not the engine's name: selectors are immutable, engines are exchanged."""
STARTUP_PERIOD_SECONDS = 10
IMAGE_PULL_ALLOWANCE_SECONDS = 900
"""Engine images are 8 to 12 GB: 900 s is 12 GB at 13 MB/s. Errs on the patient side; a stalled rollout only reports."""

FILES = (
    "namespace",
    "priority-class",
    "service-account",
    "network-policy",
    "service",
    "disruption-budget",
    "deployment",
)
RESTART_FILES = ("restart",)

# In JSON as they stand, but a line end (or nothing at all) to a YAML reader: YAML 1.2 §5.1 and §5.4.
UNREADABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RenderedFile:
    """One file of manifests; the number in its name keeps `kubectl apply -f folder` in the right order."""

    name: str
    text: str


def render(spec: ServingSpec, folder: Path = TEMPLATES) -> tuple[RenderedFile, ...]:
    """Every manifest of `spec`, in the order they must be applied; ManifestError names the template that failed."""
    environment = _environment(folder)
    values = template_values(spec)
    names = FILES if spec.restart_schedule is None else FILES + RESTART_FILES
    return tuple(
        RenderedFile(f"{number:02d}-{name}.yaml", _fill_in(environment, f"{name}.yaml.j2", values))
        for number, name in enumerate(names)
    )


def encode(value: object) -> str:
    """`value` as JSON that a YAML 1.1 or 1.2 reader takes for the same value."""
    if isinstance(value, jinja2.Undefined):
        str(value)  # StrictUndefined raises here, with the missing name
    text = json.dumps(value, ensure_ascii=False, default=_refuse, allow_nan=False)
    return UNREADABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def template_values(spec: ServingSpec) -> dict[str, Any]:
    """What templates may name: plain values, every name and number already computed."""
    return {
        **_names(spec),
        "annotations": {"seekstack/model": spec.model_id, "seekstack/gpu": f"{spec.gpus} x {spec.gpu_name}"},
        "image": spec.image,
        "arguments": list(spec.engine_arguments),
        "port": spec.port,
        "replicas": spec.replicas,
        "strategy": _strategy(spec),
        "gpus": str(spec.gpus),
        "cpu": quantity.cpu(spec.cpu_millicores),
        "memory": quantity.memory(spec.memory_bytes),
        "shared_memory": quantity.memory(spec.shared_memory_bytes),
        "startup_period_seconds": STARTUP_PERIOD_SECONDS,
        "startup_failure_threshold": math.ceil(spec.startup_budget_seconds / STARTUP_PERIOD_SECONDS),
        "progress_deadline_seconds": spec.startup_budget_seconds + IMAGE_PULL_ALLOWANCE_SECONDS,
        "intranet_cidrs": list(spec.intranet_cidrs),
        "weights_host_path": spec.weights_host_path,
        "node_selector": dict(spec.node_selector),
        # The label counts whole MiB and `Gt` is strict, hence the one below.
        "gpu_memory_above_mib": str(spec.gpu_memory_mib - 1) if spec.gpu_memory_mib else None,
        "api_key_secret": spec.api_key_secret,
        "restart_schedule": spec.restart_schedule,
        "restart_image": spec.restart_image,
        "restart_target": f"deployment/{spec.name}",
    }


@cache
def _environment(folder: Path) -> jinja2.Environment:
    """One for each folder: compiling the templates takes 10 ms, filling them in 0.3 ms."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        finalize=encode,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 YAML, not HTML: `encode` escapes
    )


def _fill_in(environment: jinja2.Environment, template: str, values: Mapping[str, Any]) -> str:
    try:
        return environment.get_template(template).render(values)
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        raise ManifestError(template, str(error) or type(error).__name__) from error


def _names(spec: ServingSpec) -> dict[str, Any]:
    server, restart = _selector(APP, spec.name), _selector(f"{APP}-restart", spec.name)
    return {
        "namespace": spec.namespace,
        "server": spec.name,
        "default_deny": f"{spec.name}-default-deny",
        "restart": f"{spec.name}-restart",
        "priority_class": f"{spec.namespace}-{spec.name}",
        "server_selector": server,
        "restart_selector": restart,
        "namespace_labels": {
            **_labels(server, "server", spec.version),
            # Pod Security below this level forbids hostPath, where the weights are; k8s/checks.py holds pods to the
            # rest of its level `restricted`.
            "pod-security.kubernetes.io/enforce": "privileged",
        },
        "server_labels": _labels(server, "server", spec.version),
        "isolation_labels": _labels(server, "isolation", spec.version),
        "restart_labels": _labels(restart, "restart", spec.version),
    }


def _selector(app: str, instance: str) -> dict[str, str]:
    return {"app.kubernetes.io/name": app, "app.kubernetes.io/instance": instance}


def _labels(selector: Mapping[str, str], component: str, version: str) -> dict[str, str]:
    return {
        **selector,
        # A local version such as 0.11.0+cu128 is no label value.
        "app.kubernetes.io/version": re.sub(r"[^A-Za-z0-9_.-]", "_", version)[:63].strip("_.-"),
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "seekstack",
        "app.kubernetes.io/managed-by": "seekstack",
    }


def _strategy(spec: ServingSpec) -> dict[str, Any]:
    """A new pod needs GPUs before the old one gives its own back, so surging is only for nodes with spare ones."""
    if spec.surge_replicas:
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": spec.surge_replicas, "maxUnavailable": 0}}
    if spec.replicas > 1:
        return {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    return {"type": "Recreate"}


def _refuse(value: object) -> str:
    raise TypeError(f"only plain values enter a template, not {type(value).__name__}")
