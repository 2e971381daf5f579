"""The storage script on real disks: loop devices, formatted, mounted, grown, and never overwritten."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node.spec import FileSystem, NodeSpec, Store
from tests.integration.node.support_machine import Machine, need
from tests.node_factories import make_spec

MIB = 2**20
DISK_MIB = 400
"""mkfs.xfs refuses less than 300 MiB."""
SEARCH = f"{os.environ['PATH']}:/usr/sbin:/sbin"

Disks = Callable[..., Path]


def run(*words: str | Path) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "PATH": SEARCH})
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout.strip()


@pytest.fixture
def loop(tmp_path: Path) -> Iterator[Disks]:
    """Makes loop devices over sparse files; whatever a test mounted or attached is gone after it."""
    if os.geteuid() != 0:
        pytest.skip("loop devices and mounts need root")
    if not Path("/dev/loop-control").exists():
        pytest.skip("this kernel has no loop devices")
    attached: list[str] = []

    def attach(size_mib: int = DISK_MIB) -> Path:
        file = tmp_path / f"disk-{len(attached)}"
        with file.open("wb") as disk:
            disk.truncate(size_mib * MIB)
        attached.append(run("losetup", "--find", "--show", file))
        return Path(attached[-1])

    try:
        yield attach
    finally:
        for target in (tmp_path / "weights", tmp_path / "other"):
            while subprocess.run(["mountpoint", "-q", target], check=False).returncode == 0:
                run("umount", target)
        for device in attached:
            with suppress(AssertionError):
                run("partx", "--delete", device)
            with suppress(AssertionError):
                run("losetup", "--detach", device)


def machine_with(root: Path, device: Path, **over: object) -> Machine:
    return Machine(root, make_spec(weight_device=str(device), **over))


def mounted(machine: Machine, column: str) -> str:
    return run("findmnt", "--noheadings", "--output", column, "--mountpoint", machine.weights)


def size_bytes(machine: Machine) -> int:
    return int(run("findmnt", "--noheadings", "--bytes", "--output", "SIZE", "--mountpoint", machine.weights))


both_file_systems = pytest.mark.parametrize("file_system", FileSystem)


@both_file_systems
def test_a_blank_volume_is_formatted_and_mounted_so_that_nothing_on_it_runs(
    tmp_path: Path, loop: Disks, file_system: FileSystem
) -> None:
    need(f"mkfs.{file_system}", "xfsprogs" if file_system is FileSystem.XFS else "e2fsprogs")
    machine = machine_with(tmp_path, loop(), file_system=file_system)
    done = machine.run("storage.sh")
    assert (done.returncode, machine.failed) == (0, ""), done.stderr
    assert mounted(machine, "FSTYPE,LABEL").split() == [file_system, "seekstack"]
    assert {"noatime", "nodev", "nosuid", "noexec"} <= set(mounted(machine, "OPTIONS").split(","))


@both_file_systems
def test_after_a_reboot_the_weights_are_there_again(tmp_path: Path, loop: Disks, file_system: FileSystem) -> None:
    machine = machine_with(tmp_path, loop(), file_system=file_system)
    assert machine.run("storage.sh").returncode == 0
    (machine.weights / "model.safetensors").write_text("weights")
    run("umount", machine.weights)
    done = machine.run("storage.sh")
    assert done.returncode == 0, done.stderr
    assert "formatting" not in done.stdout
    assert (machine.weights / "model.safetensors").read_text() == "weights"


def test_a_second_run_without_a_reboot_changes_nothing(tmp_path: Path, loop: Disks) -> None:
    machine = machine_with(tmp_path, loop())
    assert machine.run("storage.sh").returncode == 0
    (machine.weights / "model.safetensors").write_text("weights")
    assert machine.run("storage.sh").returncode == 0
    assert (machine.weights / "model.safetensors").read_text() == "weights"


@both_file_systems
@pytest.mark.parametrize("reboot", [False, True], ids=["while mounted", "between boots"])
def test_the_file_system_grows_with_its_volume(
    tmp_path: Path, loop: Disks, file_system: FileSystem, reboot: bool
) -> None:
    device = loop()
    machine = machine_with(tmp_path, device, file_system=file_system)
    assert machine.run("storage.sh").returncode == 0
    (machine.weights / "model.safetensors").write_text("weights")
    before = size_bytes(machine)
    if reboot:
        run("umount", machine.weights)
    os.truncate(tmp_path / "disk-0", 2 * DISK_MIB * MIB)
    run("losetup", "--set-capacity", device)
    recorded = file_system is FileSystem.EXT4 and not may_resize_ext4()
    if recorded:
        machine.stand_in("resize2fs")
    done = machine.run("storage.sh")
    assert done.returncode == 0, done.stderr
    if recorded:
        assert machine.calls("resize2fs") == [["resize2fs", str(device)]]
    else:
        assert size_bytes(machine) > 1.8 * before
    assert (machine.weights / "model.safetensors").read_text() == "weights"


def may_resize_ext4() -> bool:
    """ext4 asks for CAP_SYS_RESOURCE (bit 24), which root in a container often lacks; xfs does not."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> 24 & 1)


def partitioned(device: Path) -> None:
    table = "label: gpt\nstart=2048, size=100MiB\n"
    subprocess.run(
        ["sfdisk", "--quiet", device], input=table, text=True, check=True, env={**os.environ, "PATH": SEARCH}
    )


def partitioned_in_memory(device: Path) -> None:
    """The table is gone from the disk, but the kernel still has its partitions, which may be mounted."""
    partitioned(device)
    run("partx", "--update", device)
    for offset in (0, -MIB):
        with_bytes_at(offset, bytes(MIB))(device)


def with_bytes_at(offset: int, content: bytes = b"ciphertext") -> Callable[[Path], None]:
    def write(device: Path) -> None:
        with device.open("r+b") as disk:
            disk.seek(offset, os.SEEK_SET if offset >= 0 else os.SEEK_END)
            disk.write(content)

    return write


FOREIGN: dict[str, Callable[[Path], object]] = {
    "ext4 of somebody": lambda device: run("mkfs.ext4", "-q", device),
    "ext4 of another label": lambda device: run("mkfs.ext4", "-q", "-L", "data", device),
    "xfs of somebody": lambda device: run("mkfs.xfs", "-q", device),
    "swap": lambda device: run("mkswap", device),
    "swap with our label": lambda device: run("mkswap", "--label", "seekstack", device),
    "partitions": partitioned,
    "partitions that only the kernel knows": partitioned_in_memory,
    "VMware's file system, whose mark lies deep": with_bytes_at(2 * MIB, b"\x5e\xf1\xab\x2f"),
    "bytes at the start without a signature": with_bytes_at(0),
    "bytes at the end without a signature": with_bytes_at(-4096),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_device_that_carries_anything_is_never_formatted_nor_mounted(tmp_path: Path, loop: Disks, what: str) -> None:
    device = loop()
    FOREIGN[what](device)
    run("sync")
    before = (tmp_path / "disk-0").read_bytes()
    machine = machine_with(tmp_path, device)
    done = machine.run("storage.sh")
    assert done.returncode == 1
    assert done.stderr.count("FAILED") == 1
    assert f"{device} carries data without the label seekstack" in machine.failed
    run("sync")
    assert (tmp_path / "disk-0").read_bytes() == before


def test_a_mount_of_another_kind_in_its_place_is_left_alone(tmp_path: Path, loop: Disks) -> None:
    machine = machine_with(tmp_path, loop())
    machine.weights.mkdir()
    run("mount", "-t", "tmpfs", "tmpfs", machine.weights)
    assert machine.run("storage.sh").returncode == 1
    assert "not ours" in machine.failed


def test_a_volume_that_never_comes_is_a_failure_that_says_so(tmp_path: Path) -> None:
    machine = machine_with(tmp_path, Path("/dev/seekstack-none"))
    machine.stand_in("sleep")
    done = machine.run("storage.sh", VOLUME_DISKS=str(tmp_path / "none*"))
    assert done.returncode == 1
    assert "no volume at /dev/seekstack-none: is it attached" in machine.failed
    assert len(machine.calls("sleep")) == 300


def test_a_volume_that_comes_late_is_waited_for(tmp_path: Path, loop: Disks) -> None:
    links = tmp_path / "links"
    links.mkdir()
    device = loop()
    machine = machine_with(tmp_path, Path("/dev/seekstack-none"))
    machine.stand_in("sleep", f'ln -s {device} "{links}/vol0123" 2>/dev/null || true')
    done = machine.run("storage.sh", VOLUME_DISKS=f"{links}/vol*")
    assert done.returncode == 0, done.stderr
    assert len(machine.calls("sleep")) == 1
    assert mounted(machine, "SOURCE") == str(device)


def test_on_nitro_without_udev_rules_the_one_unpartitioned_ebs_disk_is_found(tmp_path: Path, loop: Disks) -> None:
    root, data = loop(), loop()
    partitioned(root)
    run("partx", "--update", root)
    names = {"vol0root": root, "vol0root-part1": root, "vol0data": data, "vol0data_1": data}
    for name, device in names.items():
        (tmp_path / name).symlink_to(device)
    machine = machine_with(tmp_path, Path("/dev/seekstack-none"))
    done = machine.run("storage.sh", VOLUME_DISKS=f"{tmp_path}/vol*")
    assert done.returncode == 0, done.stderr
    assert mounted(machine, "SOURCE") == str(data)


def local_machine(root: Path, *devices: Path) -> Machine:
    """A machine whose local disks are `devices`, each under two link names as udev makes them."""
    (root / "disks").mkdir()
    for number, device in enumerate(devices):
        for name in (f"nvme-{number}", f"nvme-{number}_1"):
            (root / "disks" / name).symlink_to(device)
    spec: NodeSpec = make_spec(store=Store.INSTANCE_STORE)
    return Machine(root, spec)


def run_local(machine: Machine, **over: str) -> subprocess.CompletedProcess[str]:
    pattern, array = f"{machine.root}/disks/nvme-*", str(machine.root / "md")
    return machine.run("storage.sh", LOCAL_DISKS=pattern, ARRAY=array, **over)


def test_one_local_disk_is_used_as_it_is(tmp_path: Path, loop: Disks) -> None:
    device = loop()
    machine = local_machine(tmp_path, device)
    machine.stand_in("mdadm", "exit 1")
    done = run_local(machine)
    assert done.returncode == 0, done.stderr
    assert machine.calls("mdadm") == []
    assert mounted(machine, "SOURCE") == str(device)


def test_several_local_disks_become_one_raid_0(tmp_path: Path, loop: Disks) -> None:
    devices = sorted(str(loop()) for _ in range(3))
    array = loop()
    machine = local_machine(tmp_path, *map(Path, devices))
    machine.stand_in("mdadm", f'[ "$1" = --assemble ] || ln -s {array} "$2"')
    done = run_local(machine)
    assert done.returncode == 0, done.stderr
    md = str(tmp_path / "md")
    wanted = ["mdadm", "--create", md, "--run", "--level=0", "--raid-devices=3", *devices]
    assert machine.calls("mdadm") == [["mdadm", "--assemble", "--scan"], wanted]
    assert mounted(machine, "SOURCE") == str(array)


def test_after_a_reboot_the_array_is_assembled_and_not_made_anew(tmp_path: Path, loop: Disks) -> None:
    devices, array = [loop(), loop()], loop()
    run("mkfs.xfs", "-q", "-L", "seekstack", array)
    machine = local_machine(tmp_path, *devices)
    machine.stand_in("mdadm", f"ln -s {array} {tmp_path}/md")
    done = run_local(machine)
    assert done.returncode == 0, done.stderr
    assert machine.calls("mdadm") == [["mdadm", "--assemble", "--scan"]]
    assert "formatting" not in done.stdout


def test_local_disks_with_foreign_data_are_not_made_an_array(tmp_path: Path, loop: Disks) -> None:
    devices = [loop(), loop()]
    run("mkfs.ext4", "-q", devices[1])
    machine = local_machine(tmp_path, *devices)
    machine.stand_in("mdadm")
    assert run_local(machine).returncode == 1
    assert machine.calls("mdadm", "mdadm", "--create") == []
    assert f"{devices[1]} carries data that is not an array of seekstack" in machine.failed


def test_an_instance_type_without_local_disks_is_a_failure_that_says_so(tmp_path: Path) -> None:
    machine = local_machine(tmp_path)
    assert run_local(machine).returncode == 1
    assert "does the instance type have local disks?" in machine.failed
