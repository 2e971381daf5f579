"""Invariants of the rendered files, as code: every violation of one run, before any machine reads them.

SKS0544 required files there      SKS0547 nothing that looks like a secret
SKS0545 image by digest           SKS0548 port and time limits as planned
SKS0546 hardened units            SKS0549 hardened container
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node.render import HARDENING, RESTART_UNITS, SCRIPT_FOLDER, UNIT_FOLDER, UNITS, NodeFile, environment_of
from node.spec import NodeSpec

__all__ = ["Violation", "check", "settings_of"]

EVERY_SERVICE = (
    "NoNewPrivileges=yes",
    "LockPersonality=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "RestrictNamespaces=yes",
    "SystemCallArchitectures=native",
    "EnvironmentFile=/etc/seekstack/node.env",
)
SANDBOXED = ("ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "ProtectControlGroups=yes")
MOUNTS = frozenset({"seekstack-storage.service"})
"""What it mounts must reach the machine: any of SANDBOXED would give it a mount namespace of its own."""
CONTAINER = (
    "--user 2000:2000",
    "--cap-drop ALL",
    "--security-opt no-new-privileges",
    "--read-only",
    '--memory "$HOST_MEMORY_BYTES"',
    '--volume "$WEIGHTS/$SNAPSHOT:/weights:ro"',
    '--publish "$PORT:$PORT"',
)
FORBIDDEN_IN_CONTAINER = re.compile(r"--privileged|--(?:network|net|pid|ipc)[= ]host|docker\.sock|--cap-add")
DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
SECRET = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\b(?:ghp|gho|ghs|github_pat|hf|pul|sk)[_-][A-Za-z0-9_-]{20,}"
    r"|^--(?:api-key|hf-token|ssl-keyfile-password)(?:=|$)",
    re.MULTILINE,
)
"""Shapes of keys and tokens, and the options of engines that would carry one."""
TIME_LIMIT = re.compile(r"^Timeout(?:Start)?Sec=", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that a file breaks."""

    code: str
    file: str
    message: str
    fix: str


def check(files: Sequence[NodeFile], spec: NodeSpec) -> tuple[Violation, ...]:
    """Everything wrong with `files` as the files of `spec`; empty where nothing is."""
    texts = {file.path: file.text for file in files}
    missing = tuple(_missing(texts, spec))
    if missing:
        return missing
    return (*_hardening(texts), *_container(texts), *_secrets(texts), *_planned(texts, spec))


def settings_of(text: str) -> list[str]:
    """The lines of a unit file that set something."""
    return [line for line in text.splitlines() if line and line[0] not in "#;["]


def _missing(texts: dict[str, str], spec: NodeSpec) -> Iterator[Violation]:
    names = UNITS if spec.restart_period_hours is None else UNITS + RESTART_UNITS
    required = [*(f"{UNIT_FOLDER}/{name}" for name in (*names, HARDENING))]
    required += [f"/etc/seekstack/{name}" for name in ("node.env", "engine.args")]
    for path in sorted(texts):
        found = re.findall(rf"^Exec\w+=[-+!@:]*({SCRIPT_FOLDER}/[\w.-]+)", texts[path], re.MULTILINE)
        required += found
    for path in dict.fromkeys(required):
        if path not in texts:
            yield Violation("SKS0544", path, "is missing", "restore its template or script")


def _services(texts: dict[str, str]) -> Iterator[tuple[str, str, list[str]]]:
    """Path, name and effective settings of each service: its own, and those for every service."""
    common = settings_of(texts[f"{UNIT_FOLDER}/{HARDENING}"])
    for path, text in texts.items():
        if path.endswith(".service"):
            yield path, path.rpartition("/")[2], settings_of(text) + common


def _hardening(texts: dict[str, str]) -> Iterator[Violation]:
    for path, name, settings in _services(texts):
        for wanted in EVERY_SERVICE if name in MOUNTS else EVERY_SERVICE + SANDBOXED:
            key = wanted.partition("=")[0]
            found = [line for line in settings if line.partition("=")[0] == key]
            if found != [wanted]:
                yield Violation("SKS0546", path, f"{', '.join(found) or 'nothing'} for {key}", f"write {wanted}")
        if not any(line.startswith("RestrictAddressFamilies=") for line in settings):
            yield Violation("SKS0546", path, "any kind of socket is allowed", "write RestrictAddressFamilies=")


def _container(texts: dict[str, str]) -> Iterator[Violation]:
    path = f"{SCRIPT_FOLDER}/engine.sh"
    lines = [line for line in texts[path].splitlines() if not line.lstrip().startswith("#")]
    text = " ".join(" ".join(lines).split())
    for wanted in CONTAINER:
        if f"{wanted} " not in text:
            yield Violation("SKS0549", path, f"{wanted} is missing", "restore it")
    for found in FORBIDDEN_IN_CONTAINER.findall(text):
        yield Violation("SKS0549", path, f"{found} opens the machine to the container", "remove it")


def _secrets(texts: dict[str, str]) -> Iterator[Violation]:
    for path, text in texts.items():
        # The match itself is not repeated: it would then stand in a log.
        for found in SECRET.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            fix = "name a secret of Secrets Manager (api_key_secret_arn): user data can be read by whoever describes it"
            yield Violation("SKS0547", path, f"line {line} looks like a secret", fix)


def _planned(texts: dict[str, str], spec: NodeSpec) -> Iterator[Violation]:
    path = "/etc/seekstack/node.env"
    values = dict(line.split("=", 1) for line in texts[path].splitlines())
    if not DIGEST.fullmatch(values.get("IMAGE", "")) or values["IMAGE"] != spec.image:
        yield Violation("SKS0545", path, f"IMAGE is {values.get('IMAGE')}", f"write IMAGE={spec.image}, by digest")
    for key, value in environment_of(spec).items():
        if key != "IMAGE" and values.get(key) != value:
            yield Violation("SKS0548", path, f"{key} is {values.get(key)}", f"write {key}={value}")
    ports = re.findall(r"^--port(?:=|\n)(.*)$", texts["/etc/seekstack/engine.args"], re.MULTILINE)
    if ports != [str(spec.port)]:
        fix = f"one argument --port={spec.port}"
        yield Violation("SKS0548", "/etc/seekstack/engine.args", f"the engine listens on {ports or 'its default'}", fix)
    for path, _, settings in _services(texts):
        if not any(TIME_LIMIT.match(line) for line in settings):
            yield Violation("SKS0548", path, "it may start for ever", "write TimeoutStartSec=")
    yield from _restart_limit(texts, spec)


def _restart_limit(texts: dict[str, str], spec: NodeSpec) -> Iterator[Violation]:
    """What waits for a start must wait at least as long as loading may take."""
    limits = {"seekstack-engine.service": "StartLimitIntervalSec", "seekstack-restart.service": "TimeoutStartSec"}
    for name, key in limits.items():
        path = f"{UNIT_FOLDER}/{name}"
        found = [int(value) for value in re.findall(rf"^{key}=(\d+)$", texts.get(path, ""), re.MULTILINE)]
        if path in texts and (not found or min(found) <= spec.startup_budget_seconds):
            fix = f"more than the startup budget of {spec.startup_budget_seconds} s"
            yield Violation("SKS0548", path, f"{key} is {found[0] if found else 'missing'}", fix)
