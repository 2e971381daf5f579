"""Our instance table against the EC2 data that moto ships: another reading of the same API."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from infra.catalog.facts import InstanceFacts
from infra.catalog.load import load
from infra.units import BYTES_PER_MIB

INSTANCES = load().instances


@pytest.fixture(scope="module")
def oracle() -> dict[str, dict[str, Any]]:
    found = importlib.util.find_spec("moto")
    if found is None or found.origin is None:
        if os.environ.get("CI"):
            pytest.fail("moto is missing: uv sync --extra sandbox")
        pytest.skip("moto is not installed: uv sync --extra sandbox")
    path = Path(found.origin).parent / "ec2" / "resources" / "instance_types.json.gz"
    types: dict[str, dict[str, Any]] = json.loads(gzip.decompress(path.read_bytes()))
    return types


def name_of(instance: InstanceFacts) -> str:
    return instance.instance_type


@pytest.mark.parametrize("instance", INSTANCES, ids=name_of)
def test_instance_agrees_with_describe_instance_types(
    instance: InstanceFacts, oracle: dict[str, dict[str, Any]]
) -> None:
    theirs = oracle[instance.instance_type]
    assert instance.vcpus == theirs["VCpuInfo"]["DefaultVCpus"]
    assert instance.host_memory_bytes == theirs["MemoryInfo"]["SizeInMiB"] * BYTES_PER_MIB
    assert instance.cpu_architecture in theirs["ProcessorInfo"]["SupportedArchitectures"]
    assert instance.local_nvme_gb == theirs.get("InstanceStorageInfo", {}).get("TotalSizeInGB", 0)
    assert instance.efa == theirs["NetworkInfo"]["EfaSupported"]
    card = theirs["NetworkInfo"]["NetworkCards"][theirs["NetworkInfo"]["DefaultNetworkCardIndex"]]
    assert instance.network_gbit_baseline == card["BaselineBandwidthInGbps"]
    baseline = theirs["EbsInfo"]["EbsOptimizedInfo"]["BaselineBandwidthInMbps"]
    assert instance.ebs_baseline_mib_per_second == pytest.approx(baseline * 1e6 / 8 / BYTES_PER_MIB)


@pytest.mark.parametrize("instance", [one for one in INSTANCES if one.gpus], ids=name_of)
def test_accelerator_count_agrees_with_describe_instance_types(
    instance: InstanceFacts, oracle: dict[str, dict[str, Any]]
) -> None:
    theirs = oracle[instance.instance_type]
    devices = [*theirs.get("GpuInfo", {}).get("Gpus", ()), *theirs.get("NeuronInfo", {}).get("NeuronDevices", ())]
    devices += theirs.get("InferenceAcceleratorInfo", {}).get("Accelerators", ())
    assert instance.gpus in {device["Count"] for device in devices}


def test_lists_every_nvidia_type_that_the_oracle_knows(oracle: dict[str, dict[str, Any]]) -> None:
    nvidia = {
        name
        for name, facts in oracle.items()
        if any(gpu.get("Manufacturer", "").lower() == "nvidia" for gpu in facts.get("GpuInfo", {}).get("Gpus", ()))
    }
    # Kepler and Maxwell and 16 GB Volta: no kernels in any engine of the catalogue.
    too_old = {"p2", "p3", "g2", "g3", "g3s"}
    assert {name for name in nvidia if name.split(".")[0] not in too_old} <= {one.instance_type for one in INSTANCES}
