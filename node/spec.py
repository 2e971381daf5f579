"""What one GPU machine must be told, as plain values: the whole input of its files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["WEIGHTS_MOUNT", "FileSystem", "KeyFile", "NodeError", "NodeSpec", "Store", "problems", "validate"]

WEIGHTS_MOUNT = "/srv/seekstack/weights"
"""Where the staged weights lie on the machine; the engine sees one snapshot of them, read-only."""


class Store(StrEnum):
    """The disk that holds the weights."""

    VOLUME = "volume"
    """One block device that outlives the machine (EBS); grown when the device has grown."""
    INSTANCE_STORE = "instance-store"
    """Every local NVMe disk, as RAID 0 where there are several; empty after a stop, so weights are staged again."""


class FileSystem(StrEnum):
    """What a blank disk is formatted with; one that holds the other is mounted all the same."""

    XFS = "xfs"
    EXT4 = "ext4"


class KeyFile(StrEnum):
    """How an engine reads its API key from a file: neither its arguments nor its environment may hold it."""

    CONFIG = "config"
    """`--config FILE`, YAML with `api-key` (vLLM, docs/configuration/serve_args.md of 0.30; SGLang, from knowledge)."""
    LINES = "lines"
    """`--api-key-file FILE`, one key a line (llama.cpp's server, tools/server/README.md, from knowledge)."""


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """One model server on one machine: values known before any resource exists, never a secret, never an Output."""

    stack: str
    region: str
    image: str
    """Engine image by digest (`…@sha256:…`)."""
    engine_command: tuple[str, ...]
    """Program of the image and its fixed words, such as `vllm serve`: images differ in their entry points."""
    engine_arguments: tuple[str, ...]
    """From the plan, one argument each; any text without a line end."""
    port: int
    gpus: int
    """GPUs the engine gets; 0 for llama.cpp on CPU types, where neither driver nor toolkit is asked for."""
    host_memory_bytes: int
    """Limit of the container. The kernel ends the engine above it, not a neighbour."""
    shared_memory_bytes: int
    """Size of /dev/shm, within `host_memory_bytes`."""
    startup_budget_seconds: int
    """How long loading may take before the watchdog counts missed answers."""
    stager_uri: str
    """`s3://…/stager.pyz`, the same file for every node of the stack."""
    stager_sha256: str
    weight_source: str
    """What the stager fetches: `hub:…`, `s3://…` or an https address."""
    weight_revision: str
    """Commit of the weights: part of the folder's name, so another revision never mixes with this one."""
    snapshot: str
    """Folder of the weights below the mount, `organisation/model/revision`."""
    store: Store = Store.VOLUME
    min_driver_version: str = "0"
    min_toolkit_version: str = "0"
    """Oldest NVIDIA driver and container toolkit that the engine image runs on."""
    file_system: FileSystem = FileSystem.XFS
    weight_device: str = "/dev/sdf"
    """Name under which the volume is attached; on Nitro the script also finds it by its NVMe identity."""
    local_disks: str = "/dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_*"
    """Pattern of the local disks (link names of udev's 60-persistent-storage.rules on EC2)."""
    key_file: KeyFile = KeyFile.CONFIG
    api_key_secret_arn: str | None = None
    """Secrets Manager secret whose text clients must send; None serves without a key."""
    log_group: str | None = None
    """CloudWatch group for the engine's output; the journal has it in any case."""
    target_group_arn: str | None = None
    """The other machines behind the same address, asked before a scheduled restart."""
    takes_turns: bool = False
    """Whether other machines of the stack serve the same, so that restarts must wait for each other."""
    lifecycle_hook: str | None = None
    """Hook and group of the Auto Scaling group, `hook@group`: told when the engine answers, or never will."""
    restart_period_hours: int | None = 12
    """Between scheduled restarts of the engine; None for none."""
    restart_spread_minutes: int = 60
    """Restarts are spread over this long by machine, always the same for one machine."""

    @property
    def restart_lock(self) -> str | None:
        """SSM parameter that the machines of a stack take turns by; they may read and write it, and no other."""
        return f"/seekstack/{self.stack}/restart-lock" if self.takes_turns else None


class NodeError(ValueError):
    """A node that cannot be described: code, the field, its value and what to write instead."""

    def __init__(self, code: str, key: str, message: str, fix: str) -> None:
        super().__init__(f"{code} {key}: {message}; {fix}")
        self.code, self.key, self.message, self.fix = code, key, message, fix


FORMS: dict[str, tuple[str, str]] = {
    "stack": (r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", "the stack's name"),
    "region": (r"[a-z]{2}(-[a-z]+)+-\d", "an AWS region"),
    "image": (r"[A-Za-z0-9][A-Za-z0-9_./:-]*@sha256:[0-9a-f]{64}", "repository@sha256:digest"),
    "stager_uri": (r"s3://[a-z0-9.-]+/[A-Za-z0-9_./-]+", "s3://bucket/key"),
    "stager_sha256": (r"[0-9a-f]{64}", "64 hexadecimal digits"),
    "weight_source": (r"[a-z0-9]+:[A-Za-z0-9_./:@+-]+", "scheme:address"),
    "weight_revision": (r"[A-Za-z0-9][A-Za-z0-9_.-]*", "a commit or tag"),
    "snapshot": (r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*", "a folder below the mount, without .."),
    "min_driver_version": (r"\d+(\.\d+)*", "digits and dots"),
    "min_toolkit_version": (r"\d+(\.\d+)*", "digits and dots"),
    "weight_device": (r"/dev/[A-Za-z0-9_/-]+", "a device below /dev"),
    "local_disks": (r"/dev/[A-Za-z0-9_./*-]+", "a pattern of devices below /dev"),
    "api_key_secret_arn": (r"arn:[A-Za-z0-9_:/+=.@-]+", "an ARN"),
    "log_group": (r"[A-Za-z0-9_./-]+", "a log group"),
    "target_group_arn": (r"arn:[A-Za-z0-9_:/+=.@-]+", "an ARN"),
    "lifecycle_hook": (r"[A-Za-z0-9_-]+@[A-Za-z0-9_.-]+", "hook@group"),
}
"""Forms without blanks, quotes, `$`, `%` and backslashes: the values stand in an environment file as they are."""

RANGES: dict[str, tuple[int, int]] = {
    "port": (1024, 65535),
    "gpus": (0, 16),
    "host_memory_bytes": (2**20, 2**46),
    "shared_memory_bytes": (2**20, 2**46),
    "startup_budget_seconds": (30, 24 * 3600),
    "restart_period_hours": (1, 24 * 30),
    "restart_spread_minutes": (0, 24 * 60),
}


def validate(spec: NodeSpec) -> NodeSpec:
    """`spec` itself, or the first of its problems as an error."""
    for error in problems(spec):
        raise error
    return spec


def problems(spec: NodeSpec) -> Iterator[NodeError]:
    """Every field that no file could carry as it is."""
    for key, (form, allowed) in FORMS.items():
        value = getattr(spec, key)
        if value is not None and not re.fullmatch(form, value, re.ASCII):
            yield _refused(key, value, f"allowed: {allowed}")
    for key, (least, most) in RANGES.items():
        value = getattr(spec, key)
        if value is not None and not least <= value <= most:
            yield _refused(key, value, f"allowed: {least} to {most}")
    if not spec.engine_command or not spec.engine_command[0]:
        yield _refused("engine_command", spec.engine_command, "name the image's program")
    for key in ("engine_command", "engine_arguments"):
        for word in getattr(spec, key):
            if re.search("[\n\r\0\ud800-\udfff]", word):
                yield _refused(key, word, "write it without line ends: the file has one argument a line")
    if spec.shared_memory_bytes > spec.host_memory_bytes:
        yield _refused("shared_memory_bytes", spec.shared_memory_bytes, "it counts against host_memory_bytes")


def _refused(key: str, value: object, fix: str) -> NodeError:
    return NodeError("SKS0541", key, f"{value!r} cannot be written to a node", fix)
