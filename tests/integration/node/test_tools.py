"""What is rendered, judged by the programs that will read it: systemd, cloud-init, shellcheck."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from node.render import SCRIPT_FOLDER, SCRIPTS, UNIT_FOLDER, render
from node.user_data import cloud_config
from tests.integration.node.support_machine import need
from tests.node_factories import VARIANTS

FOREIGN_UNITS = ("docker.service", "nvidia-persistenced.service")
"""Units of the machine image that ours refer to."""
EXPOSURE_LIMITS = {
    "seekstack-stage.service": 25,
    "seekstack-engine.service": 45,
    "seekstack-restart.service": 45,
    "seekstack-watchdog.service": 55,
    "seekstack-check.service": 70,
    "seekstack-storage.service": 80,
}
"""Tenths of systemd's exposure level (0 to 100), which counts what a service could still do. The engine's unit is only
the docker client; what the container may do is in its options. Storage must mount for the whole machine."""


def place_units(folder: Path, variant: str) -> dict[str, Path]:
    """The units of a variant below `folder`, and their scripts: systemd looks for what a unit names."""
    here = folder / "lib"
    placed = {}
    for file in render(VARIANTS[variant]):
        if file.path.startswith(UNIT_FOLDER):
            path = folder / file.path.removeprefix(f"{UNIT_FOLDER}/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file.text.replace(SCRIPT_FOLDER, str(here)).replace("/usr/bin/docker", "/bin/true"))
            placed[path.name] = path
        elif file.path.startswith(SCRIPT_FOLDER):
            here.mkdir(exist_ok=True)
            (here / Path(file.path).name).symlink_to(SCRIPTS / Path(file.path).name)
    for name in FOREIGN_UNITS:
        (folder / name).write_text("[Service]\nExecStart=/bin/true\n")
    return placed


def run_systemd_analyze(folder: Path, *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [need("systemd-analyze", "systemd"), *words],
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "SYSTEMD_COLORS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("variant", VARIANTS)
def test_systemd_accepts_every_unit_without_a_word(tmp_path: Path, variant: str) -> None:
    units = place_units(tmp_path, variant)
    names = [path for name, path in units.items() if name.startswith("seekstack") and "@" not in name]
    done = run_systemd_analyze(tmp_path, "verify", "--man=no", *names)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "seekstack" in line]
    assert (done.returncode, said) == (0, []), done.stderr


def test_systemd_finds_a_setting_that_does_not_exist(tmp_path: Path) -> None:
    unit = place_units(tmp_path, "volume")["seekstack-check.service"]
    unit.write_text(unit.read_text() + "ProtectEverything=yes\n")
    done = run_systemd_analyze(tmp_path, "verify", "--man=no", unit)
    assert "ProtectEverything" in done.stderr


@pytest.mark.parametrize("name", EXPOSURE_LIMITS)
def test_systemd_finds_each_service_hardened(tmp_path: Path, name: str) -> None:
    path = place_units(tmp_path, "volume")[name]
    # The offline review reads one file and no drop-in.
    path.write_text(path.read_text() + (tmp_path / "seekstack-.service.d/10-hardening.conf").read_text())
    limit = f"--threshold={EXPOSURE_LIMITS[name]}"
    done = run_systemd_analyze(tmp_path, "security", "--offline=true", "--no-pager", limit, path)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_cloud_init_accepts_the_user_data(tmp_path: Path, variant: str) -> None:
    file = tmp_path / "user-data.yaml"
    file.write_text(cloud_config(render(VARIANTS[variant])), encoding="utf-8")
    done = run_cloud_init(tmp_path, file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Valid" in done.stdout + done.stderr


def test_cloud_init_finds_a_wrong_form(tmp_path: Path) -> None:
    file = tmp_path / "user-data.yaml"
    file.write_text("#cloud-config\nwrite_files: {path: /a}\n")
    done = run_cloud_init(tmp_path, file)
    assert done.returncode != 0
    assert "write_files" in done.stdout + done.stderr


def run_cloud_init(folder: Path, file: Path) -> subprocess.CompletedProcess[str]:
    """As a person without rights would: with them, old releases look for the user data of this very machine."""
    program = need("cloud-init", "cloud-init")
    return subprocess.run(
        [program, "schema", "--config-file", file],
        env={**clean_environment(), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def clean_environment() -> Mapping[str, str]:
    """cloud-init runs on the system's Python: ours must not lend it modules."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}


def test_shellcheck_finds_nothing_in_the_scripts() -> None:
    scripts = sorted(SCRIPTS.glob("*.sh"))
    done = subprocess.run(
        [need("shellcheck", "shellcheck"), "--external-sources", "--format=json", *scripts],
        cwd=SCRIPTS.parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert len(scripts) > 8
    assert json.loads(done.stdout) == []
