"""Spec in, files out: units, environment, arguments and scripts, as bytes that cloud-init or a person puts in place.

No value ever meets a shell. Scripts are the same on every machine and read an environment file whose values need no
quoting (`node.spec.FORMS`); engine arguments, which may be any text, stand one a line in a file of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from node.spec import WEIGHTS_MOUNT, NodeError, NodeSpec, validate

__all__ = ["SCRIPTS", "TEMPLATES", "NodeFile", "environment_of", "fill_in", "render"]

TEMPLATES = Path(__file__).resolve().parent.parent / "templates" / "node"
SCRIPTS = Path(__file__).resolve().parent / "scripts"

UNIT_FOLDER = "/etc/systemd/system"
SCRIPT_FOLDER = "/usr/local/lib/seekstack"
UNITS = (
    "seekstack-check.service",
    "seekstack-storage.service",
    "seekstack-stage.service",
    "seekstack-engine.service",
    "seekstack-watchdog.service",
    "seekstack-watchdog.timer",
    "seekstack-failed@.service",
)
RESTART_UNITS = ("seekstack-restart.service", "seekstack-restart.timer")
HARDENING = "seekstack-.service.d/10-hardening.conf"
"""A drop-in for every unit whose name begins so (systemd.unit(5), since systemd 239)."""

IMAGE_PULL_SECONDS = 900
"""Engine images are 8 to 12 GB: 900 s is 12 GB at 13 MB/s (k8s.render allows the same)."""
BACK_OFF_SECONDS = 300
"""Longest wait of engine-prepare.sh."""
STORAGE_SECONDS = 900
"""storage.sh waits up to 600 s for a volume; formatting takes seconds, as neither file system writes its whole disk."""
STOP_SECONDS = 60
DRAIN_SECONDS = 300
"""restart.sh waits that long for running requests."""
WATCHDOG_SECONDS = 90
"""Three missed answers, 30 s apart."""
STARTS = 5
"""StartLimitBurst= of the engine's unit."""

UNIT_VALUE = re.compile(r"[A-Za-z0-9_./:-]+", re.ASCII)
"""No blank, quote, backslash, `%` or `$`: systemd reads none of it as anything but itself."""


@dataclass(frozen=True, slots=True)
class NodeFile:
    """One file of the machine: absolute path, text, permissions; all belong to root."""

    path: str
    text: str
    permissions: str = "0644"


def render(spec: NodeSpec, folder: Path = TEMPLATES) -> tuple[NodeFile, ...]:
    """Every file of `spec` by path; NodeError names the field or template that cannot be written."""
    validate(spec)
    values = unit_values(spec)
    names = UNITS if spec.restart_period_hours is None else UNITS + RESTART_UNITS
    units = (NodeFile(f"{UNIT_FOLDER}/{name}", fill_in(folder, f"{name}.j2", values, unit_value)) for name in names)
    hardening = NodeFile(f"{UNIT_FOLDER}/{HARDENING}", fill_in(folder, "hardening.conf.j2", values, unit_value))
    words = (*spec.engine_command, *spec.engine_arguments)
    own = (
        NodeFile("/etc/seekstack/node.env", "".join(f"{key}={value}\n" for key, value in environment_of(spec).items())),
        NodeFile("/etc/seekstack/engine.args", "".join(f"{word}\n" for word in words)),
    )
    return tuple(sorted((*own, *units, hardening, *_scripts()), key=lambda file: file.path))


def environment_of(spec: NodeSpec) -> dict[str, str]:
    """What the scripts read; an option that is not set is an empty value."""
    return {
        "API_KEY_SECRET": spec.api_key_secret_arn or "",
        "AWS_DEFAULT_REGION": spec.region,
        "FILE_SYSTEM": spec.file_system,
        "GPUS": str(spec.gpus),
        "HOST_MEMORY_BYTES": str(spec.host_memory_bytes),
        "IMAGE": spec.image,
        "KEY_FILE": spec.key_file,
        "LIFECYCLE_HOOK": spec.lifecycle_hook or "",
        "LOCAL_DISKS": spec.local_disks,
        "LOCK": spec.restart_lock or "",
        "LOCK_SECONDS": str(_restart_seconds(spec)),
        "LOG_GROUP": spec.log_group or "",
        "MIN_DRIVER": spec.min_driver_version,
        "MIN_TOOLKIT": spec.min_toolkit_version,
        "PORT": str(spec.port),
        "SHARED_MEMORY_BYTES": str(spec.shared_memory_bytes),
        "SNAPSHOT": spec.snapshot,
        "STAGER_SHA256": spec.stager_sha256,
        "STAGER_URI": spec.stager_uri,
        "STARTUP_BUDGET_SECONDS": str(spec.startup_budget_seconds),
        "STORE": spec.store,
        "TARGET_GROUP": spec.target_group_arn or "",
        "WEIGHTS": WEIGHTS_MOUNT,
        "WEIGHT_DEVICE": spec.weight_device,
        "WEIGHT_REVISION": spec.weight_revision,
        "WEIGHT_SOURCE": spec.weight_source,
    }


def unit_values(spec: NodeSpec) -> dict[str, object]:
    """What unit templates may name, every number computed."""
    return {
        "complete_marker": f"{WEIGHTS_MOUNT}/{spec.snapshot}/.complete",
        "port": spec.port,
        "restart_period_seconds": (spec.restart_period_hours or 0) * 3600,
        "restart_spread_seconds": spec.restart_spread_minutes * 60,
        "restart_timeout_seconds": _restart_seconds(spec),
        "start_limit_seconds": STARTS * (_start_seconds() + spec.startup_budget_seconds + WATCHDOG_SECONDS),
        "start_timeout_seconds": _start_seconds(),
        "stop_seconds": STOP_SECONDS,
        "stop_timeout_seconds": STOP_SECONDS + 30,
        "storage_timeout_seconds": STORAGE_SECONDS,
        "weights_mount": WEIGHTS_MOUNT,
    }


def unit_value(value: object) -> str:
    """`value` as systemd reads it back; TypeError for text that a unit file would take for something else."""
    if isinstance(value, jinja2.Undefined):
        str(value)  # StrictUndefined raises here, with the missing name
    text = str(value)
    if not UNIT_VALUE.fullmatch(text):
        raise TypeError(f"{text!r} does not stand for itself in a unit file")
    return text


def fill_in(folder: Path, template: str, values: Mapping[str, object], encode: Callable[[object], str]) -> str:
    """`template` with every expression written by `encode`; NodeError names a template that cannot be filled in."""
    try:
        return _environment(folder, encode).get_template(template).render(values)
    except (jinja2.TemplateError, TypeError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise NodeError("SKS0542", f"templates/node/{template}", reason, "mend the template") from error


@cache
def _environment(folder: Path, encode: Callable[[object], str]) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        finalize=encode,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 units and YAML, not HTML: `encode` escapes
    )


def _scripts() -> tuple[NodeFile, ...]:
    return tuple(
        NodeFile(f"{SCRIPT_FOLDER}/{path.name}", path.read_text(encoding="utf-8"), "0755")
        for path in sorted(SCRIPTS.glob("*.sh"))
    )


def _start_seconds() -> int:
    """From the start of the unit to `docker run`."""
    return IMAGE_PULL_SECONDS + BACK_OFF_SECONDS + 60


def _restart_seconds(spec: NodeSpec) -> int:
    """Longest time between the lock and the answer of a restarted engine, with a minute to spare."""
    return DRAIN_SECONDS + STOP_SECONDS + 30 + _start_seconds() + spec.startup_budget_seconds + 60
