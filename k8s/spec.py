"""What a served model needs from Kubernetes, as plain values: the whole input of every template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ServingSpec"]


@dataclass(frozen=True, slots=True)
class ServingSpec:
    """One model server on one cluster: values known before any resource exists, never a secret, never an Output."""

    name: str
    """Role name of the server, a DNS label: object names are derived from it."""
    namespace: str
    model_id: str
    """Repository of the weights, as published."""
    served_model_name: str
    """What clients send as `model`."""
    image: str
    """Engine image by digest (`…@sha256:…`)."""
    engine_arguments: tuple[str, ...]
    """Whole command line after `vllm serve`, from the plan."""
    replicas: int
    gpus: int
    """GPUs a replica: limit and request of `nvidia.com/gpu`."""
    gpu_name: str
    """Catalogue name of the GPU the plan was made for."""
    cpu_millicores: int
    memory_bytes: int
    """Host memory limit and request of the pod."""
    shared_memory_bytes: int
    """Size of /dev/shm: tensor-parallel ranks exchange tensors there. Counts against `memory_bytes`."""
    port: int
    startup_budget_seconds: int
    """How long loading may take before the startup probe gives up."""
    intranet_cidrs: tuple[str, ...]
    """The only sources the NetworkPolicy admits."""
    weights_host_path: str
    """Folder on the node that holds the staged weights, mounted read-only."""
    restart_schedule: str | None
    """Cron line (UTC) of the scheduled rolling restart; None for no restarts."""
    node_selector: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    """Engine version, for the `app.kubernetes.io/version` label."""
    restart_image: str | None = None
    """Image with `/bin/kubectl` by digest; needed where `restart_schedule` is set."""
    gpu_memory_mib: int = 0
    """Least memory of one GPU. Nodes that report less (GPU feature discovery) are left out; 0 admits every node."""
    surge_replicas: int = 0
    """Replicas beyond `replicas` that the GPUs of the node can hold during an update; 0 where none is spare."""
    api_key_secret: str | None = None
    """Name of an existing Secret whose key `api-key` clients must send; None serves without a key."""
