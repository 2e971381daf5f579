"""Each rule finds the edit it is there for, and nothing in what is shipped."""

from __future__ import annotations

from dataclasses import replace

import pytest

from node.checks import Violation, check
from node.render import NodeFile, render
from node.spec import NodeSpec
from tests.node_factories import VARIANTS, make_spec

UNITS = "/etc/systemd/system"
SCRIPTS = "/usr/local/lib/seekstack"
# Written in two parts: the contract test for secrets reads this file too.
ACCESS_KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


def edited(path: str, old: str, new: str, spec: NodeSpec | None = None) -> tuple[NodeFile, ...]:
    """The files of `spec` with one edit, which must have happened."""
    files = render(spec or make_spec())
    assert sum(old in file.text for file in files if file.path == path) == 1
    return tuple(replace(f, text=f.text.replace(old, new)) if f.path == path else f for f in files)


def codes(violations: tuple[Violation, ...]) -> set[str]:
    return {violation.code for violation in violations}


@pytest.mark.parametrize("variant", VARIANTS)
def test_finds_nothing_in_what_is_shipped(variant: str) -> None:
    assert check(render(VARIANTS[variant]), VARIANTS[variant]) == ()


@pytest.mark.parametrize(
    ("code", "path", "old", "new"),
    [
        ("SKS0544", f"{UNITS}/seekstack-check.service", "check.sh", "chekc.sh"),
        ("SKS0545", "/etc/seekstack/node.env", "@sha256:" + "1" * 64, ":latest"),
        ("SKS0546", f"{UNITS}/seekstack-.service.d/10-hardening.conf", "NoNewPrivileges=yes", "NoNewPrivileges=no"),
        ("SKS0546", f"{UNITS}/seekstack-engine.service", "ProtectSystem=strict\n", ""),
        ("SKS0546", f"{UNITS}/seekstack-engine.service", "ProtectHome=yes", "ProtectHome=yes\nProtectHome=no"),
        ("SKS0546", f"{UNITS}/seekstack-storage.service", "RestrictAddressFamilies=", "#"),
        ("SKS0546", f"{UNITS}/seekstack-stage.service", "PrivateTmp=yes", "# PrivateTmp=yes"),
        ("SKS0547", "/etc/seekstack/engine.args", "--max-model-len=8192", f"--x={ACCESS_KEY}"),
        ("SKS0547", "/etc/seekstack/engine.args", "--max-model-len=8192", "--api-key=abc"),
        ("SKS0547", "/etc/seekstack/engine.args", "--max-model-len=8192", "--api-key\nabc"),
        ("SKS0547", "/etc/seekstack/engine.args", "--max-model-len=8192", "hf" + "_abcdefghijklmnopqrstuvwxyz"),
        ("SKS0548", "/etc/seekstack/engine.args", "--port=8000", "--port=9000"),
        ("SKS0548", "/etc/seekstack/engine.args", "--port=8000\n", ""),
        ("SKS0548", "/etc/seekstack/node.env", "GPUS=1", "GPUS=2"),
        ("SKS0548", f"{UNITS}/seekstack-storage.service", "TimeoutStartSec=900\n", ""),
        ("SKS0548", f"{UNITS}/seekstack-engine.service", "StartLimitIntervalSec=", "StartLimitIntervalSec=1\n#"),
        ("SKS0548", f"{UNITS}/seekstack-restart.service", "TimeoutStartSec=", "TimeoutStartSec=90\n#"),
        ("SKS0549", f"{SCRIPTS}/engine.sh", "--cap-drop ALL", "--cap-drop NET_RAW"),
        ("SKS0549", f"{SCRIPTS}/engine.sh", "--read-only", ""),
        ("SKS0549", f"{SCRIPTS}/engine.sh", ":/weights:ro", ":/weights"),
        ("SKS0549", f"{SCRIPTS}/engine.sh", "--init", "--init --privileged"),
        ("SKS0549", f"{SCRIPTS}/engine.sh", "--init", "--init --network host"),
    ],
)
def test_an_edit_that_breaks_a_rule_is_found(code: str, path: str, old: str, new: str) -> None:
    spec = make_spec()
    assert codes(check(edited(path, old, new, spec), spec)) == {code}


def test_a_missing_unit_is_named() -> None:
    files = tuple(file for file in render(make_spec()) if not file.path.endswith("watchdog.timer"))
    (found,) = check(files, make_spec())
    assert (found.code, found.file) == ("SKS0544", f"{UNITS}/seekstack-watchdog.timer")


def test_a_secret_is_not_repeated_in_what_is_said_about_it() -> None:
    files = edited("/etc/seekstack/engine.args", "--max-model-len=8192", f"--x={ACCESS_KEY}")
    assert ACCESS_KEY not in str(check(files, make_spec()))


def test_a_port_in_two_words_is_understood() -> None:
    spec = make_spec(engine_arguments=("/weights", "--port", "8000"))
    assert check(render(spec), spec) == ()
