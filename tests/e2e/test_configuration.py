"""`seekstack check` and the engine read one stack file the same way, and what we advise is right on the real engine."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.cli.main import main
from infra.stack_file import read_stack_file
from sandbox.environment import merged
from tests.e2e.support_tiny import TinyProject
from tests.support_sandbox import Sandbox, sandbox_at

FILE = "Pulumi.dev.yaml"
PLAIN = (
    "1.0 8192.0 0o10 010 09 0x10 0b11 1_000 1e3 1E3 +5 -5 1.5 .5 12:30 yes on True TRUE ~ null 2026-01-01 7B 1e20 "
    "99999999999999999999 1e-3 1.0e+3 0o9 1. = << 2026-01-01T10:20:30Z 2026-1-2 .e5 0x_f -0b1 1e+3 n Null FALSE"
)
VALUES = [
    *PLAIN.split(),
    '""',
    '"8192"',
    "'1e3'",
    "!!int 7",
    "!!str 7",
    "2026-01-01 10:20:30.50",
    "2026-01-01T10:20:30+02:00",
]
TELL = """\
import json
from pathlib import Path
from pulumi.runtime import config as runtime
found = {**runtime.get_config_env(), **runtime.CONFIG.get()}
Path("config.json").write_text(json.dumps({key: text for key, text in found.items() if key.startswith("tiny:")}))
"""
MERGES = """\
x-base: &base {tiny:a: base, tiny:b: base, c: base}
x-more: &more {tiny:b: more, tiny:d: more}
config:
  <<: [*base, *more]
  tiny:a: own
  tiny:config:e: own
  tiny:o: {<<: *base, x: &x {1.0: a, true: b, z: ~}, y: *x}
"""


def told(project: TinyProject) -> dict[str, object]:
    """What the engine hands to the program of a tiny project, with lists and mappings decoded."""
    project.write(TELL)
    done = project.pulumi("preview")
    assert done.returncode == 0, done.stdout + done.stderr
    (written,) = project.folder.rglob("config.json")
    texts: dict[str, str] = json.loads(written.read_text())
    return {key: json.loads(text) if text[:1] in ("{", "[") else text for key, text in texts.items()}


def as_text(value: object) -> object:
    """A top-level value in the engine's form."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def our_view(file: Path) -> dict[str, object]:
    values = read_stack_file(file).values
    return {key.replace("seekstack:", "tiny:"): as_text(value) for key, value in values.items()}


def rewrite(project: TinyProject, text: str) -> Path:
    """A stack file that keeps its salt."""
    file = project.folder / FILE
    salt = re.findall(r"(?m)^encryptionsalt: .*$", file.read_text())
    file.write_text("\n".join([text.rstrip("\n"), *salt]) + "\n")
    return file


def test_every_form_of_a_plain_value_is_read_as_the_engine_reads_it(project: TinyProject) -> None:
    lines = [f"  tiny:z{index}: {value}" for index, value in enumerate(VALUES)]
    entries = ", ".join(f"k{index}: {value}" for index, value in enumerate(VALUES) if value != "<<")
    file = rewrite(project, "\n".join(["config:", *lines, f"  tiny:o: {{{entries}}}", f"  tiny:l: [{entries}]"]))
    engine, ours = told(project), our_view(file)
    assert {key: (VALUES[int(key[6:])], text) for key, text in ours.items() if key.startswith("tiny:z")} == {
        key: (VALUES[int(key[6:])], text) for key, text in engine.items() if key.startswith("tiny:z")
    }
    assert ours == engine


def test_merge_keys_and_spellings_of_keys_are_read_as_the_engine_reads_them(project: TinyProject) -> None:
    file = rewrite(project, MERGES)
    assert our_view(file) == told(project)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with sandbox_at(tmp_path_factory.mktemp("configuration")) as running:
        running.stack("dev")
        yield running


def pulumi(sandbox: Sandbox, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One literal command for the dev stack."""
    return subprocess.run(
        ("pulumi", *arguments, "-s", "dev", "--non-interactive", "--color", "never"),
        cwd=sandbox.project, env=merged(sandbox.home), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def configure(sandbox: Sandbox, text: str) -> None:
    """Write the dev stack's file, its salt kept."""
    file = sandbox.project / FILE
    salt = re.findall(r"(?m)^encryptionsalt: .*$", file.read_text())
    file.write_text("\n".join([text.rstrip("\n"), *salt]) + "\n")


Found = list[dict[str, Any]]


def checked(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> Found:
    """The errors of `seekstack check`."""
    main(["check", "-C", str(sandbox.project), "--json"])
    found: Found = json.loads(capsys.readouterr().out).get("error", {}).get("errors", [])
    return found


RIGHT = "config:\n  aws:region: us-east-1\n  seekstack:model: 1.5B\n  seekstack:intranetCidrs: [10.0.0.0/8]\n"
ADVISED = [
    ("seekstack:model: 7C", "7B"),
    ("seekstack:contextTokens: many", "4096"),
    ("seekstack:port: 80", "9000"),
    ("seekstack:protectWeights: perhaps", "false"),
    ("seekstack:vpcCidr: [10.0.0.0/16]", "10.90.0.0/16"),
    ("seekstack:intranetCidrs: 10.0.0.0/8", ""),
    ("seekstack:intranetCidrs: [10.0.0.0/8, 0.0.0.0/0]", ""),
    ("seekstack:intranetCidrs: {a: b}", ""),
    ("seekstack:intranetCidrs: []", ""),
    ("seekstack:intranetCidrs: [{secure: 'v1:AAAA:BBBB'}]", ""),
    ("seekstack:ownCidrs: text", "198.51.100.0/24"),
    ("seekstack:ownCidrs: [198.51.100.0/8]", "198.51.100.0/24"),
    ("seekstack:tags: text", "search"),
    ("seekstack:tags: [a]", "search"),
    ("seekstack:tags: {a.b: []}", "search"),
    ("seekstack:tags: {team: {secure: 'v1:AAAA:BBBB'}}", "search"),
    ("aws:region: us-esat-1", ""),
]


@pytest.mark.parametrize(("line", "value"), ADVISED, ids=[line for line, _ in ADVISED])
def test_the_advised_command_mends_the_stack(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], line: str, value: str
) -> None:
    key = line.split(": ")[0]
    kept = [known for known in RIGHT.splitlines() if not known.strip().startswith(f"{key}: ")]
    configure(sandbox, "\n".join([*kept, f"  {line}"]))
    (error,) = checked(sandbox, capsys)
    fix = str(error["fix"])
    if "pulumi config" not in fix:  # names of the catalogue say where they are listed
        fix = f"pulumi config set {key} <value>"
    for command in re.findall(r"pulumi (config (?:set|rm) .*?)(?:, then: |$)", fix):
        done = pulumi(sandbox, *shlex.split(command.replace("<value>", value)))
        assert done.returncode == 0, done.stderr
    assert checked(sandbox, capsys) == []
    listed = pulumi(sandbox, "config", "--json")
    assert listed.returncode == 0, listed.stderr


WRONG = """\
x-base: &base
  seekstack:port: 80
config:
  <<: *base
  seekstack:tags: {team: []}
  seekstack:modle: 7B
  seekstak:gpu: T4
  aws:regoin: us-east-1
  aws:region: mars-1
  seekstack:intranetCidrs:
    - 0.0.0.0/0
    - 10.0.0.0/8
    - 10.0.0.1/8
  seekstack:vpcCidr: 10.0.0.0
"""


def test_check_and_up_say_the_same_errors_in_the_same_order_without_a_traceback(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(sandbox, WRONG)
    errors = checked(sandbox, capsys)
    assert [error["location"]["line"] for error in errors] == [2, 5, 6, 7, 8, 9, 11, 13, 14, None]
    told = pulumi(sandbox, "preview").stdout
    place = told.index("10 configuration errors:")
    for error in errors:
        place = told.index(error["message"], place)
    assert "Traceback" not in told


def test_an_encrypted_value_is_refused_alike_and_never_shown(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(sandbox, RIGHT)
    for arguments in (("seekstack:model", "canary-7B"), ("--path", "seekstack:intranetCidrs[0]", "10.1.0.0/16")):
        assert pulumi(sandbox, "config", "set", "--secret", *arguments).returncode == 0
    errors = checked(sandbox, capsys)
    assert [error["key"] for error in errors] == ["seekstack:model", "seekstack:intranetCidrs[0]"]
    told = pulumi(sandbox, "preview").stdout
    assert "2 configuration errors" in told
    assert all(error["message"] in told for error in errors)
    assert "canary" not in told


def test_a_region_newer_than_the_sandbox_ends_the_preview_in_one_line_that_names_it(sandbox: Sandbox) -> None:
    configure(sandbox, RIGHT.replace("us-east-1", "us-east-3"))
    told = pulumi(sandbox, "preview").stdout
    assert "SKS0402 aws: the sandbox has no region 'us-east-3'" in told
    assert "warning: aws:region: us-east-3 is not in the catalogue" in told
    assert "Traceback" not in told
    assert "not modelled" not in told
