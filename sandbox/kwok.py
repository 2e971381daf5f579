"""The simulated nodes of the sandbox's cluster, with the labels and capacity that NVIDIA's GPU operator gives.

kwok plays their kubelets: pods become Running, Jobs' pods complete, no container runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["NODES", "Node", "node_object"]


@dataclass(frozen=True, slots=True)
class Node:
    """One simulated machine; memory in GiB, GPU memory in MiB as GPU feature discovery reports it."""

    name: str
    cpus: int
    memory_gib: int
    gpus: int
    gpu_product: str
    gpu_family: str
    gpu_compute: str
    gpu_memory_mib: int


NODES = (
    # g5.2xlarge and g6e.24xlarge: GPU memory as nvidia-smi reports it for the A10G and the L40S
    Node("sandbox-gpu-1", 8, 32, 1, "NVIDIA-A10G", "ampere", "8.6", 23028),
    Node("sandbox-gpu-4", 96, 768, 4, "NVIDIA-L40S", "ada-lovelace", "8.9", 46068),
)

DRIVER = "580.95.05"
CUDA = "13.0"


def node_object(node: Node) -> dict[str, Any]:
    """The Node a kubelet with NVIDIA's device plugin would register.

    Labels: github.com/NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery.
    """
    capacity = {
        "cpu": str(node.cpus),
        "memory": f"{node.memory_gib}Gi",
        "ephemeral-storage": "500Gi",
        "pods": "110",
        "nvidia.com/gpu": str(node.gpus),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": _labels(node), "annotations": {"kwok.x-k8s.io/node": "fake"}},
        "status": {"capacity": capacity, "allocatable": capacity},
    }


def _labels(node: Node) -> dict[str, str]:
    compute_major, compute_minor = node.gpu_compute.split(".")
    driver_major, driver_minor, driver_revision = DRIVER.split(".")
    cuda_major, cuda_minor = CUDA.split(".")
    return {
        "kubernetes.io/hostname": node.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": "amd64",
        "type": "kwok",
        "nvidia.com/gpu.present": "true",
        "nvidia.com/gpu.count": str(node.gpus),
        "nvidia.com/gpu.product": node.gpu_product,
        "nvidia.com/gpu.family": node.gpu_family,
        "nvidia.com/gpu.memory": str(node.gpu_memory_mib),
        "nvidia.com/gpu.compute.major": compute_major,
        "nvidia.com/gpu.compute.minor": compute_minor,
        "nvidia.com/cuda.driver.major": driver_major,
        "nvidia.com/cuda.driver.minor": driver_minor,
        "nvidia.com/cuda.driver.rev": driver_revision,
        "nvidia.com/cuda.runtime.major": cuda_major,
        "nvidia.com/cuda.runtime.minor": cuda_minor,
    }
