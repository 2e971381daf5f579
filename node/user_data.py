"""The files of a node as EC2 user data: cloud-init's YAML, compressed (docs/adr/0012)."""

from __future__ import annotations

import json
import re
from pathlib import Path

from node.checks import check
from node.deflate import gzip_bytes
from node.render import TEMPLATES, UNIT_FOLDER, NodeFile, fill_in, render
from node.spec import NodeError, NodeSpec

__all__ = ["MAX_BYTES", "cloud_config", "compress", "render_checked", "user_data"]

MAX_BYTES = 16 * 1024
"""Limit of EC2 for user data before base64 (EC2 user guide, "Run commands at launch")."""

# In JSON as they stand, but a line end (or nothing at all) to a YAML reader: YAML 1.2 §5.1 and §5.4.
UNREADABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def user_data(spec: NodeSpec) -> bytes:
    """What a launch template holds, before base64; equal specs give equal bytes, so no update without a change."""
    return compress(cloud_config(render_checked(spec)))


def render_checked(spec: NodeSpec) -> tuple[NodeFile, ...]:
    """The files of `spec`; NodeError with the first broken rule where an edited template breaks one."""
    files = render(spec)
    for violation in check(files, spec):
        raise NodeError(violation.code, violation.file, violation.message, violation.fix)
    return files


def cloud_config(files: tuple[NodeFile, ...], folder: Path = TEMPLATES) -> str:
    """`files` and the commands that start them. cloud-init does this once; at later boots systemd does."""
    timers = [file.path.removeprefix(f"{UNIT_FOLDER}/") for file in files if file.path.endswith(".timer")]
    commands = [
        ["systemctl", "daemon-reload"],
        ["/usr/local/lib/seekstack/hold-drivers.sh"],
        # Not waited for: staging takes minutes, and cloud-init's own units come after this one.
        ["systemctl", "enable", "--now", "--no-block", "seekstack-stage.service", *timers],
    ]
    return fill_in(folder, "cloud-config.yaml.j2", {"files": files, "commands": commands}, yaml_value)


def compress(text: str) -> bytes:
    """gzip, which cloud-init recognises by its first bytes; NodeError where it is too large."""
    packed = gzip_bytes(text.encode())
    if len(packed) > MAX_BYTES:
        raise NodeError(
            "SKS0543",
            "user_data",
            f"{len(packed):,} bytes compressed, EC2 takes {MAX_BYTES:,}",
            "shorten the engine's arguments (a chat template belongs in the image or beside the weights)",
        )
    return packed


def yaml_value(value: object) -> str:
    """`value` as JSON that a YAML 1.1 or 1.2 reader takes for the same value."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return UNREADABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
