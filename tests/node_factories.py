"""Builders of what a GPU machine is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from node.spec import FileSystem, KeyFile, NodeSpec, Store

ENGINE_IMAGE = f"registry.intranet.example/vllm/vllm-openai@sha256:{'1' * 64}"


def make_spec(**over: Any) -> NodeSpec:
    """A spec that passes every check: one engine on one GPU, weights on a volume."""
    spec = NodeSpec(
        stack="dev",
        region="eu-central-1",
        image=ENGINE_IMAGE,
        engine_command=("vllm", "serve"),
        engine_arguments=("/weights", "--max-model-len=8192", "--host=0.0.0.0", "--port=8000"),
        port=8000,
        gpus=1,
        host_memory_bytes=14 * 2**30,
        shared_memory_bytes=2**30,
        startup_budget_seconds=365,
        stager_uri="s3://dev-seekstack/stager.pyz",
        stager_sha256="a" * 64,
        weight_source="hub:deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
        weight_revision="ad9f0ae0864d7fbcd1cd905e3c6c5b069cc8b562",
        snapshot="deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B/ad9f0ae0864d7fbcd1cd905e3c6c5b069cc8b562",
        min_driver_version="570.26",
        min_toolkit_version="1.17.0",
    )
    return replace(spec, **over)


def make_fleet_spec(**over: Any) -> NodeSpec:
    """A machine of several behind one address: local disks, key, logs, lock and lifecycle hook."""
    account = "eu-central-1:123456789012"
    fleet = {
        "stack": "prod",
        "gpus": 4,
        "store": Store.INSTANCE_STORE,
        "api_key_secret_arn": f"arn:aws:secretsmanager:{account}:secret:prod/api-key-AbCdEf",
        "log_group": "/seekstack/prod/engine",
        "target_group_arn": f"arn:aws:elasticloadbalancing:{account}:targetgroup/prod/0123456789abcdef",
        "takes_turns": True,
        "lifecycle_hook": "ready@prod-nodes",
        "startup_budget_seconds": 1200,
    }
    return make_spec(**{**fleet, **over})


VARIANTS = {
    "volume": make_spec(),
    "instance-store": make_fleet_spec(),
    "cpu": make_spec(
        gpus=0,
        engine_command=("/app/llama-server",),
        engine_arguments=("--model=/weights/model.gguf", "--host=0.0.0.0", "--port=8000"),
        key_file=KeyFile.LINES,
        file_system=FileSystem.EXT4,
        restart_period_hours=None,
    ),
}
"""What the golden files show: a volume, a machine of a fleet with local disks, one without GPU and restarts."""
