"""What is said of a cluster that does not start."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from infra.errors import ToolError
from sandbox import kube
from sandbox.paths import SandboxHome

FULL_DISK = """\
{"level":"warn","ts":"2026-11-24T10:00:00Z","msg":"simple token is not cryptographically signed"}
{"level":"panic","ts":"2026-11-24T10:00:01Z","msg":"failed to create WAL","error":"no space left on device"}
panic: failed to create WAL

goroutine 1 [running]:
go.uber.org/zap/zapcore.CheckWriteAction.OnWrite(0x0?, 0x3?, {0x0?, 0x0?, 0xc000?})
\tgo.uber.org/zap@v1.27.0/zapcore/entry.go:196 +0x54
main.main()
\tmain.go:42 +0x1d
"""


def test_of_a_crash_the_cause_is_shown_and_not_the_stack() -> None:
    lines = kube.telling_lines(FULL_DISK)
    assert [line for line in lines if "no space left on device" in line]
    assert lines[-1] == "panic: failed to create WAL"
    assert not [line for line in lines if ".go:" in line or "goroutine" in line]


def test_without_a_cause_the_last_lines_are_shown() -> None:
    assert kube.telling_lines("\n".join(f"line {n}" for n in range(9))) == [f"line {n}" for n in range(4, 9)]
    assert kube.telling_lines("") == []


def test_a_disk_without_room_is_refused_before_anything_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube, "CLUSTER_MIB", 1 << 40)
    home = SandboxHome(tmp_path)
    with pytest.raises(ToolError, match="MiB free") as caught:
        kube.start(home, program=tmp_path / "never-run")
    assert caught.value.code == "SKS0733"
    assert not home.run.exists()


def test_a_program_that_ends_is_told_with_what_it_wrote_this_time(tmp_path: Path) -> None:
    program = tmp_path / "kube"
    program.write_text("#!/bin/sh\necho 'panic: no space left on device'\nexit 2\n")
    program.chmod(0o755)
    home = SandboxHome(tmp_path / "home")
    home.logs.mkdir(parents=True)
    (home.logs / "etcd.log").write_text("panic: last week\n")
    try:
        with pytest.raises(ToolError) as caught:
            kube.start(home, program=program)
    finally:
        kube.stop(home)
    assert caught.value.code == "SKS0730"
    assert "no space left" in caught.value.message
    assert "last week" not in caught.value.message
    assert "make room" in (caught.value.fix or "")


class SetOnceThere(threading.Event):
    """Set from the moment at which a file exists: the program runs by then."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def is_set(self) -> bool:
        return self.file.exists()


def test_a_start_can_be_cancelled(tmp_path: Path) -> None:
    program = tmp_path / "kube"
    started = tmp_path / "started"
    program.write_text(f"#!/bin/sh\necho > '{started}'\nexec sleep 600\n")
    program.chmod(0o755)
    home, cancelled = SandboxHome(tmp_path / "home"), SetOnceThere(started)
    try:
        with pytest.raises(ToolError, match="cancelled"):
            kube.start(home, program=program, cancelled=cancelled)
    finally:
        kube.stop(home)
    assert not any(kube.status(home).values())
