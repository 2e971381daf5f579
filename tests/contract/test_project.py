"""The frame: every test file is collected, the files a project owes are there, the ADRs are in form."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest

from tests.conftest import ALONE, GROUPED, LAYERS, LONG, MARKED_LAYERS, scope_of
from tests.contract.support_files import committed_files, text_of
from tests.contract.support_source import PACKAGES, ROOT

DATA_FOLDERS = ("golden", "data")
PYTHON_FILES = (
    "test_*.py",
    "conftest.py",
    "factories.py",
    "*_factories.py",
    "support.py",
    "support_*.py",
    "__init__.py",
)


def is_known(name: str) -> bool:
    """Whether a file of tests/ has a role: collected, imported by those, or data."""
    path = PurePosixPath(name)
    if path.suffix != ".py" and set(DATA_FOLDERS) & set(path.parts[:-1]):
        return True
    return any(fnmatch(path.name, pattern) for pattern in PYTHON_FILES)


def test_every_file_in_tests_is_collected_or_has_a_role() -> None:
    assert [name for name in committed_files() if name.startswith("tests/") and not is_known(name)] == []


def test_a_test_file_that_pytest_would_not_collect_is_found() -> None:
    assert not is_known("tests/unit/network.py")
    assert is_known("tests/unit/test_network.py")
    assert is_known("tests/golden/7b-ec2/deployment.yaml")


def test_every_test_file_lies_in_a_layer() -> None:
    files = [PurePosixPath(name) for name in committed_files() if name.startswith("tests/")]
    assert [str(path) for path in files if path.name.startswith("test_") and path.parts[1] not in LAYERS] == []


REPORT = """\
import json, sys
import pytest

class Report:
    def pytest_collection_finish(self, session):
        marks = {}
        for item in session.items:
            file = item.nodeid.partition("::")[0]
            marks.setdefault(file, set()).update(mark.name for mark in item.iter_markers())
        with open(sys.argv[1], "w") as file:
            json.dump({name: sorted(found) for name, found in marks.items()}, file)

sys.exit(pytest.main(["--collect-only", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"], plugins=[Report()]))
"""


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The files that pytest finds tests in, with the markers of those tests; this takes 10 s."""
    file = tmp_path_factory.mktemp("collected") / "files.json"
    argv = [sys.executable, "-c", REPORT, str(file)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    found: dict[str, list[str]] = json.loads(file.read_text())
    return found


def test_each_test_file_holds_tests(collected: dict[str, list[str]]) -> None:
    expected = {name for name in committed_files() if fnmatch(name, "tests/*/test_*.py")}
    assert expected - set(collected) == set()


def test_slow_layers_and_no_others_carry_their_marker(collected: dict[str, list[str]]) -> None:
    marked = {name: [mark for mark in marks if mark in LAYERS] for name, marks in collected.items()}
    layers = {name: PurePosixPath(name).parts[1] for name in collected}
    assert {name: [layer] if layer in MARKED_LAYERS else [] for name, layer in layers.items()} == marked


def test_what_shares_daemons_goes_to_one_worker_and_what_does_not_to_the_free_one() -> None:
    folder = {scope_of(f"tests/integration/kubernetes/test_{name}.py::test_it[a/b]") for name in ("drift", "access")}
    assert folder == {"integration/kubernetes"}
    assert scope_of("tests/e2e/test_dev_stack.py::test_it") == "e2e/test_dev_stack.py"
    assert scope_of("tests/e2e/test_demo.py::test_it") == "tests/e2e/test_demo.py::test_it"
    assert scope_of("tests/unit/cli/test_main.py::test_it") == "tests/unit/cli/test_main.py::test_it"
    assert [name for name in (*ALONE, *GROUPED, *LONG) if not (ROOT / "tests" / name).exists()] == []


@pytest.mark.parametrize(
    "name",
    [
        "LICENSE", "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "Pulumi.yaml", "Pulumi.dev.yaml",
        ".editorconfig", ".gitignore", ".pre-commit-config.yaml", ".ci/run", "uv.lock", "docs/architecture.md",
        "docs/adr/template.md", "scripts/bootstrap.sh",
    ],
)  # fmt: skip
def test_the_project_has(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_the_license_is_apache_2() -> None:
    assert tomllib.loads(text_of("pyproject.toml"))["project"]["license"] == "Apache-2.0"
    assert text_of("LICENSE").split()[:6] == ["Apache", "License", "Version", "2.0,", "January", "2004"]


def test_the_wheel_holds_each_package() -> None:
    hatch = tomllib.loads(text_of("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert sorted(hatch["packages"]) == sorted(PACKAGES)


def test_the_changelog_names_the_version() -> None:
    version = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    changelog = text_of("CHANGELOG.md")
    assert "## [Unreleased]" in changelog or f"## [{version}]" in changelog


def test_scripts_are_executable() -> None:
    scripts = [".ci/run", *(name for name in committed_files() if name.endswith(".sh"))]
    assert [name for name in scripts if not (ROOT / name).stat().st_mode & 0o100] == []


def test_decisions_are_numbered_without_gaps_and_have_every_section() -> None:
    records = sorted(name for name in committed_files() if re.match(r"docs/adr/\d{4}-", name))
    assert [int(PurePosixPath(name).name[:4]) for name in records] == list(range(1, len(records) + 1))
    for name in records:
        text = text_of(name)
        missing = [
            part for part in ("Status: ", "Date: ", "## Context", "## Decision", "## Consequences") if part not in text
        ]
        assert (name, missing) == (name, [])
        assert text.startswith(f"# {PurePosixPath(name).name[:4]}. ")
