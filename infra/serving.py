"""Plan and settings to what a cluster is asked for, and to manifests that passed every check."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import PurePosixPath

from infra.errors import ConfigurationError, ConfigurationErrors, Location, SizingError
from infra.settings import Settings
from infra.sizing.arguments import WEIGHTS_PATH
from infra.sizing.result import Plan
from infra.units import BYTES_PER_MIB
from k8s.checks import check
from k8s.manifest import Manifest, ManifestError, load, ordered
from k8s.render import RenderedFile, render
from k8s.spec import ServingSpec
from k8s.violation import Violation

__all__ = ["SERVER_NAME", "Rendered", "render_checked", "serving_spec"]

SERVER_NAME = "model-server"
"""A role: it holds no model, size or engine, so that a change of those updates objects instead of replacing them."""
GPU_MEMORY_MARGIN = 0.98
"""Part of the usable memory a node must report: driver branches differ by up to 2 % for one GPU (A10G 22,731 to
23,028 MiB, from knowledge), while the next smaller GPU of any family has at least a quarter less."""
ALL_ADDRESSES = "0.0.0.0"  # noqa: S104 of the pod's own network namespace; the NetworkPolicy decides who reaches it
TEMPLATE_FOLDER = "templates/k8s"


@dataclass(frozen=True, slots=True)
class Rendered:
    """The same manifests twice: as the bytes of files, and as objects in the order in which they can exist."""

    files: tuple[RenderedFile, ...]
    manifests: tuple[Manifest, ...]


def serving_spec(settings: Settings, plan: Plan) -> ServingSpec:
    """What the cluster must provide for `plan`; raises SizingError for a model that needs several machines."""
    if plan.nodes > 1:
        raise SizingError(
            f"{plan.model.label} needs {plan.nodes} machines, the kubernetes target runs a replica on one",
            code="SKS0501",
            key="seekstack:gpus",
            value=settings.gpus,
            allowed="nodes with enough GPUs for the whole model",
            fix="set seekstack:gpu and seekstack:gpus to larger nodes, or seekstack:quantization to fewer bits",
        )
    if settings.image is None:
        raise ValueError("parse() refuses the kubernetes target without an image")
    return ServingSpec(
        name=SERVER_NAME,
        namespace=settings.namespace,
        model_id=plan.model.id,
        served_model_name=plan.model.label,
        image=settings.image,
        engine_arguments=_command_line(settings, plan),
        replicas=settings.replicas,
        gpus=plan.gpus,
        gpu_name=plan.gpu.name,
        cpu_millicores=plan.cpu_millicores,
        memory_bytes=_whole_mib(plan.host_memory_bytes),
        shared_memory_bytes=_whole_mib(plan.shared_memory_bytes),
        port=settings.port,
        startup_budget_seconds=plan.startup_budget_seconds,
        intranet_cidrs=tuple(map(str, settings.intranet_cidrs)),
        weights_host_path=str(PurePosixPath(settings.weights_host_path) / plan.model.id),
        restart_schedule=settings.restart_schedule,
        version=plan.engine_version,
        restart_image=settings.restart_image,
        gpu_memory_mib=int(plan.gpu.usable_bytes * GPU_MEMORY_MARGIN / BYTES_PER_MIB),
        surge_replicas=_surge_replicas(settings, plan),
    )


def render_checked(spec: ServingSpec) -> Rendered:
    """The manifests of `spec`; ConfigurationErrors with every broken rule where an edited template breaks one."""
    try:
        files = render(spec)
        manifests = ordered(manifest for file in files for manifest in load(file.text, file.name))
    except ManifestError as error:
        raise ConfigurationErrors([_unusable(error)]) from error
    violations = check(manifests, spec)
    if violations:
        raise ConfigurationErrors([_broken(violation) for violation in violations])
    return Rendered(files, manifests)


def _command_line(settings: Settings, plan: Plan) -> tuple[str, ...]:
    """`vllm serve` takes the model as positional argument; the option of the same meaning is deprecated there."""
    flags = tuple(flag for flag in plan.engine_arguments if flag != f"--model={WEIGHTS_PATH}")
    return (WEIGHTS_PATH, *flags, f"--host={ALL_ADDRESSES}", f"--port={settings.port}")


def _surge_replicas(settings: Settings, plan: Plan) -> int:
    """1 where one node alone has GPUs for all replicas and one more; how many nodes there are is not known here."""
    return int((settings.gpus or 0) >= (settings.replicas + 1) * plan.gpus)


def _whole_mib(size_bytes: int) -> int:
    """Rounded up: the API server rewrites byte counts that are no whole unit, which reads as drift."""
    return math.ceil(size_bytes / BYTES_PER_MIB) * BYTES_PER_MIB


def _unusable(error: ManifestError) -> ConfigurationError:
    name = error.source if error.source.endswith(".j2") else _template(error.source)
    return ConfigurationError(
        error.problem,
        code="SKS0502",
        location=Location(f"{TEMPLATE_FOLDER}/{name}"),
        allowed="YAML in which each expression is one whole value, of names in k8s/render.py",
        fix="mend the template; `seekstack render` shows the outcome without a cluster",
    )


def _broken(violation: Violation) -> ConfigurationError:
    where = f"{violation.object} {violation.path}".rstrip()
    return ConfigurationError(
        f"{where}: {violation.message}",
        code=violation.code,
        key=where,
        location=Location(f"{TEMPLATE_FOLDER}/{_template(violation.source)}") if violation.source else None,
        fix=violation.fix,
    )


def _template(file: str) -> str:
    """`06-deployment.yaml` was made from `deployment.yaml.j2`."""
    return f"{file.partition('-')[2]}.j2"
