"""What the scripts do on a machine of stand-ins: check, stage, engine, watchdog, drivers, failures."""

from __future__ import annotations

import hashlib
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from node.spec import KeyFile
from tests.integration.node.support_machine import Machine
from tests.node_factories import VARIANTS, make_fleet_spec, make_spec

TOOLKIT = 'echo "NVIDIA Container Toolkit CLI version 1.17.8"'


def machine(root: Path, **over: Any) -> Machine:
    return Machine(root, make_spec(**over))


def gpu_machine(root: Path, *drivers: str, gpus: int = 1) -> Machine:
    """One whose nvidia-smi reports a line for each of `drivers`."""
    found = machine(root, gpus=gpus)
    found.stand_in("docker")
    found.stand_in("nvidia-smi", "".join(f"echo {driver}\n" for driver in drivers))
    found.stand_in("nvidia-ctk", TOOLKIT)
    return found


@pytest.mark.parametrize("driver", ["570.26", "570.172.08", "580.65", "1000.1"])
def test_a_driver_that_is_new_enough_passes(tmp_path: Path, driver: str) -> None:
    found = gpu_machine(tmp_path, driver)
    assert (found.run("check.sh").returncode, found.failed) == (0, "")


@pytest.mark.parametrize("driver", ["570.25", "570.9", "99.1", "550.163.01"])
def test_an_older_driver_fails_with_both_versions_in_one_line(tmp_path: Path, driver: str) -> None:
    found = gpu_machine(tmp_path, driver)
    done = found.run("check.sh")
    reason = f"check: NVIDIA driver {driver}, the engine needs 570.26 or newer"
    assert (done.returncode, found.failed) == (1, f"{reason}\n")
    assert done.stderr == f"<3>{reason.replace('check:', 'check: FAILED:')}\n"


def test_fewer_gpus_than_planned_fail(tmp_path: Path) -> None:
    found = gpu_machine(tmp_path, "570.26", "570.26", gpus=4)
    assert found.run("check.sh").returncode == 1
    assert "2 GPUs answer, the plan needs 4" in found.failed


def test_a_driver_that_does_not_answer_fails_with_its_words_in_one_line(tmp_path: Path) -> None:
    found = gpu_machine(tmp_path)
    found.stand_in("nvidia-smi", 'printf "Failed to initialize NVML:\\nversion mismatch\\n"; exit 18')
    assert found.run("check.sh").returncode == 1
    assert found.failed == "check: nvidia-smi: Failed to initialize NVML: version mismatch\n"


@pytest.mark.parametrize("answer", ['echo "version 1.16.2"', "exit 1", "echo nonsense"])
def test_a_toolkit_that_is_older_or_unknown_fails(tmp_path: Path, answer: str) -> None:
    found = gpu_machine(tmp_path, "580.65")
    found.stand_in("nvidia-ctk", answer)
    assert found.run("check.sh").returncode == 1
    assert "the engine needs 1.17.0 or newer" in found.failed


def test_a_machine_without_gpus_is_not_asked_for_a_driver(tmp_path: Path) -> None:
    found = machine(tmp_path, gpus=0)
    for program in ("docker", "nvidia-smi", "nvidia-ctk"):
        found.stand_in(program, "exit 1")
    assert found.run("check.sh").returncode == 0
    assert found.calls() == []


STAGER = b"print('stager')"


def staging_machine(root: Path, stager: bytes = STAGER) -> Machine:
    """S3 gives `stager`; python3 stands for a stager that completes."""
    found = machine(root, stager_sha256=hashlib.sha256(STAGER).hexdigest())
    (root / "source").write_bytes(stager)
    found.stand_in("findmnt")
    found.stand_in("aws", f'cp "{root}/source" "${{@: -1}}"')
    found.stand_in("python3", f'touch "{found.snapshot}/.complete"')
    found.weights.mkdir()
    return found


def test_stages_with_the_checked_file_and_the_pinned_revision(tmp_path: Path) -> None:
    found = staging_machine(tmp_path)
    done = found.run("stage.sh")
    assert done.returncode == 0, done.stderr
    stager, spec = f"{tmp_path}/lib/stager.pyz", found.spec
    words = ["--revision", spec.weight_revision, "--into", str(found.snapshot)]
    assert found.calls("python3") == [["python3", stager, "fetch", spec.weight_source, *words]]
    assert Path(stager).read_bytes() == STAGER


def test_a_complete_snapshot_is_not_staged_again(tmp_path: Path) -> None:
    found = staging_machine(tmp_path)
    found.snapshot.mkdir(parents=True)
    (found.snapshot / ".complete").touch()
    assert found.run("stage.sh").returncode == 0
    assert found.calls() == []


def test_a_stager_of_other_bytes_is_never_run(tmp_path: Path) -> None:
    found = staging_machine(tmp_path, b"print('another')")
    assert found.run("stage.sh").returncode == 1
    assert found.calls("python3") == []
    assert "is not the file with sha256" in found.failed
    assert not (tmp_path / "lib/stager.pyz").exists()


def test_a_second_attempt_does_not_fetch_the_stager_again(tmp_path: Path) -> None:
    found = staging_machine(tmp_path)
    found.stand_in("python3", "exit 1")
    assert [found.run("stage.sh").returncode for _ in range(2)] == [1, 1]
    assert len(found.calls("aws")) == 1
    assert len(found.calls("python3")) == 2


def test_a_stager_that_ends_without_its_marker_has_failed(tmp_path: Path) -> None:
    found = staging_machine(tmp_path)
    found.stand_in("python3")
    assert found.run("stage.sh").returncode == 1
    assert ".complete" in found.failed


def test_nothing_is_staged_to_the_root_disk(tmp_path: Path) -> None:
    found = staging_machine(tmp_path)
    found.stand_in("findmnt", "exit 1")
    assert found.run("stage.sh").returncode == 1
    assert found.calls("python3") == []


ODD_ARGUMENTS = ("a b", "'", '"', "$HOME", "$(reboot)", "`reboot`", "%h", "\\n", "*", "", "-", "é\u2028", '{"a": 1}')


def test_the_engine_gets_each_argument_as_it_is(tmp_path: Path) -> None:
    found = machine(tmp_path, engine_arguments=ODD_ARGUMENTS)
    found.stand_in("docker")
    assert found.run("engine.sh").returncode == 0
    (words,) = found.calls("docker", "run")
    assert words[words.index("--entrypoint") :] == ["--entrypoint", "vllm", found.spec.image, "serve", *ODD_ARGUMENTS]


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_engine_runs_confined(tmp_path: Path, variant: str) -> None:
    found = Machine(tmp_path, VARIANTS[variant])
    found.stand_in("docker")
    found.run("engine.sh")
    (words,) = found.calls("docker", "run")
    pairs = set(pairwise(words))
    assert {
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--user", "2000:2000"),
        ("--volume", f"{found.snapshot}:/weights:ro"),
        ("--memory", str(found.spec.host_memory_bytes)),
        ("--memory-swap", str(found.spec.host_memory_bytes)),
        ("--shm-size", str(found.spec.shared_memory_bytes)),
    } <= pairs
    assert "--read-only" in words
    assert (("--gpus", str(found.spec.gpus)) in pairs) == (found.spec.gpus > 0)


KEY = "canary-0123456789.ABC_~+/="


def keyed_machine(root: Path, key: str = KEY, **over: Any) -> Machine:
    if os.geteuid() != 0:
        pytest.skip("giving a file to the engine's user needs root")
    found = Machine(root, make_fleet_spec(**over))
    found.stand_in("aws", f"echo '{key}'")
    found.stand_in("docker")
    found.stand_in("systemctl", "echo 0")
    return found


@pytest.mark.parametrize(
    ("form", "text", "words"),
    [
        (KeyFile.CONFIG, f'api-key: "{KEY}"\n', ["--config", "/run/secrets/api-key"]),
        (KeyFile.LINES, f"{KEY}\n", ["--api-key-file", "/run/secrets/api-key"]),
    ],
)
def test_the_key_goes_into_a_file_of_the_engine_alone(
    tmp_path: Path, form: KeyFile, text: str, words: list[str]
) -> None:
    found = keyed_machine(tmp_path, key_file=form)
    done = found.run("engine-prepare.sh")
    assert done.returncode == 0, done.stderr
    file = found.run_folder / "secrets/api-key"
    assert file.read_text() == text
    assert (file.stat().st_mode & 0o777, file.stat().st_uid) == (0o400, 2000)
    assert file.parent.stat().st_mode & 0o777 == 0o700
    found.run("engine.sh")
    (call,) = found.calls("docker", "run")
    assert call[-2:] == words
    assert KEY not in (tmp_path / "record").read_text() + done.stdout + done.stderr


@pytest.mark.parametrize("key", ["", "two words", 'a"b', "a\nb", "None:"])
def test_a_key_that_no_client_can_send_is_refused_and_not_told(tmp_path: Path, key: str) -> None:
    found = keyed_machine(tmp_path, key)
    done = found.run("engine-prepare.sh")
    assert done.returncode == 1
    assert "is no bearer token" in found.failed
    assert not key or key not in found.failed + done.stdout + done.stderr


def test_an_image_that_is_there_is_not_pulled(tmp_path: Path) -> None:
    found = keyed_machine(tmp_path)
    found.run("engine-prepare.sh")
    assert found.calls("docker", "pull") == []


def test_an_image_that_is_not_there_is_pulled_by_its_digest(tmp_path: Path) -> None:
    found = keyed_machine(tmp_path)
    found.stand_in("docker", '[ "$1" != image ]')
    found.run("engine-prepare.sh")
    assert found.calls("docker", "pull") == [["docker", "pull", "--quiet", found.spec.image]]
    assert found.calls("docker", "login") == []


def test_an_image_of_ecr_is_pulled_after_a_login_without_its_password_in_the_words(tmp_path: Path) -> None:
    registry = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    found = keyed_machine(tmp_path, image=f"{registry}/vllm@sha256:{'1' * 64}")
    found.stand_in("docker", '[ "$1" != image ]')
    found.run("engine-prepare.sh")
    wanted = ["docker", "login", "--username", "AWS", "--password-stdin", registry]
    assert found.calls("docker", "login") == [wanted]


@pytest.mark.parametrize(("failures", "seconds"), [(0, None), (1, 10), (2, 20), (5, 160), (6, 300), (100, 300)])
def test_each_start_in_a_row_waits_longer(tmp_path: Path, failures: int, seconds: int | None) -> None:
    found = keyed_machine(tmp_path)
    found.stand_in("systemctl", f"echo {failures}")
    found.stand_in("sleep")
    found.run("engine-prepare.sh")
    assert found.calls("sleep") == ([] if seconds is None else [["sleep", str(seconds)]])


REFUSED, TIMED_OUT, DEAD = "000 Failed to connect", "000 Operation timed out after 10001 ms", "503 "


def watched_machine(root: Path, answer: str, *, engine_seconds: int = 1000, gpu_percent: int = 0) -> Machine:
    """An engine that has run for so long and gives `answer`: `status message`."""
    found = Machine(root, make_fleet_spec(startup_budget_seconds=365))
    (root / "uptime").write_text("5000.25 100.00\n")
    started = (5000 - engine_seconds) * 1_000_000
    found.stand_in("systemctl", f'[ "$1" != show ] || echo {started}')
    # `healthy` asks for the status alone, `answer` for the message too.
    found.stand_in("curl", f"case $* in *errormsg*) echo '{answer}' ;; *) printf %s {answer.split()[0]} ;; esac")
    found.stand_in("nvidia-smi", f"echo {gpu_percent}")
    found.stand_in("aws")
    return found


def watch(found: Machine, times: int = 1) -> int:
    """How often the watchdog restarted the engine in `times` looks."""
    for _ in range(times):
        done = found.run("watchdog.sh", UPTIME_FILE=str(found.root / "uptime"))
        assert done.returncode == 0, done.stderr
    return len(found.calls("systemctl", "restart"))


def test_an_engine_that_answers_is_left_alone(tmp_path: Path) -> None:
    assert watch(watched_machine(tmp_path, "200 "), 5) == 0


@pytest.mark.parametrize("answer", [REFUSED, TIMED_OUT, DEAD])
def test_an_engine_that_loads_is_left_alone(tmp_path: Path, answer: str) -> None:
    assert watch(watched_machine(tmp_path, answer, engine_seconds=365), 5) == 0


@pytest.mark.parametrize("answer", [REFUSED, TIMED_OUT, DEAD])
def test_the_third_missed_answer_in_a_row_restarts_the_engine(tmp_path: Path, answer: str) -> None:
    found = watched_machine(tmp_path, answer)
    assert [watch(found), watch(found), watch(found)] == [0, 0, 1]
    assert found.calls("systemctl", "restart") == [["systemctl", "restart", "--no-block", "seekstack-engine.service"]]


def test_an_answer_in_between_starts_the_count_anew(tmp_path: Path) -> None:
    found = watched_machine(tmp_path, REFUSED)
    watch(found, 2)
    watch(watched_machine(tmp_path, "200 "))
    assert watch(watched_machine(tmp_path, REFUSED), 2) == 0


def test_an_engine_that_is_busy_is_not_killed_within_ten_minutes(tmp_path: Path) -> None:
    found = watched_machine(tmp_path, TIMED_OUT, gpu_percent=97)
    assert watch(found, 19) == 0
    assert watch(found) == 1


@pytest.mark.parametrize("answer", [REFUSED, DEAD])
def test_busy_gpus_do_not_excuse_an_engine_that_refuses(tmp_path: Path, answer: str) -> None:
    assert watch(watched_machine(tmp_path, answer, gpu_percent=97), 3) == 1


def test_a_machine_that_drains_is_left_alone(tmp_path: Path) -> None:
    found = watched_machine(tmp_path, REFUSED)
    found.run_folder.mkdir()
    (found.run_folder / "draining").touch()
    assert watch(found, 5) == 0


def test_an_engine_that_systemd_does_not_run_is_left_to_systemd(tmp_path: Path) -> None:
    found = watched_machine(tmp_path, REFUSED)
    found.stand_in("systemctl", "exit 3")
    assert watch(found, 5) == 0


def test_the_first_answer_tells_the_auto_scaling_group_once_and_takes_a_failure_back(tmp_path: Path) -> None:
    found = watched_machine(tmp_path, "200 ", engine_seconds=100)
    found.run_folder.mkdir()
    (found.run_folder / "failed").write_text("stage: an earlier attempt\n")
    watch(found, 3)
    (call,) = found.calls("aws", "autoscaling")
    assert call[3:] == [
        *("--lifecycle-hook-name", "ready", "--auto-scaling-group-name", "prod-nodes"),
        *("--instance-id", "i-0123456789abcdef0", "--lifecycle-action-result", "CONTINUE"),
    ]
    assert found.failed == ""
    assert found.calls("systemctl", "reset-failed") == []


def test_back_off_begins_anew_once_the_engine_has_served(tmp_path: Path) -> None:
    found = watched_machine(tmp_path, "200 ")
    watch(found)
    assert found.calls("systemctl", "reset-failed") == [["systemctl", "reset-failed", "seekstack-engine.service"]]


def test_a_hook_that_is_gone_is_no_failure(tmp_path: Path) -> None:
    found = watched_machine(tmp_path, "200 ")
    found.stand_in("aws", "exit 254")
    assert watch(found, 2) == 0
    assert len(found.calls("aws")) == 2


def test_a_part_that_failed_for_good_abandons_the_launch_and_keeps_the_first_reason(tmp_path: Path) -> None:
    found = Machine(tmp_path, make_fleet_spec())
    found.stand_in("aws")
    found.run_folder.mkdir()
    (found.run_folder / "failed").write_text("check: no nvidia-smi\n")
    assert found.run("failed.sh", "seekstack-check").returncode == 0
    assert found.failed == "check: no nvidia-smi\n"
    assert found.calls("aws")[0][-1] == "ABANDON"


def test_a_part_that_failed_without_a_reason_names_its_journal(tmp_path: Path) -> None:
    found = machine(tmp_path)
    found.stand_in("aws")
    assert found.run("failed.sh", "seekstack-engine").returncode == 0
    assert found.failed == "seekstack-engine: see journalctl -u seekstack-engine\n"
    assert found.calls("aws") == []


def test_driver_packages_are_held_where_apt_upgrades(tmp_path: Path) -> None:
    found = machine(tmp_path)
    found.stand_in("apt-mark")
    listed = "ii  nvidia-driver-570\\nrc  nvidia-driver-550\\nii  libnvidia-compute-570\\n"
    found.stand_in("dpkg-query", f'printf "{listed}"')
    assert found.run("hold-drivers.sh").returncode == 0
    assert found.calls("apt-mark") == [["apt-mark", "hold", "nvidia-driver-570", "libnvidia-compute-570"]]


def test_driver_packages_are_held_once_where_dnf_upgrades(tmp_path: Path) -> None:
    found = machine(tmp_path)
    config = tmp_path / "dnf.conf"
    config.write_text("[main]\ngpgcheck=True\n")
    found.stand_in("dnf")
    for program in ("bash", "basename", "dirname", "grep"):
        (tmp_path / "bin" / program).symlink_to(f"/usr/bin/{program}")
    for _ in range(2):
        done = found.run("hold-drivers.sh", DNF_CONFIG=str(config), PATH=f"{tmp_path}/bin")
        assert done.returncode == 0, done.stderr
    assert config.read_text() == ("[main]\ngpgcheck=True\nexcludepkgs=nvidia*,kmod-nvidia*,libnvidia*,cuda-drivers*\n")
