"""The variables of a sandbox: nothing of the user's account shines through, and any shell reads them back unchanged."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox import environment as environment_module
from sandbox.environment import as_fish, as_json, as_sh, dead_environment, environment
from sandbox.paths import SandboxHome

REAL = {
    "PATH": "/usr/bin:/bin",
    "AWS_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SESSION_TOKEN": "real",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/real",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/real",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.2",
    "AWS_ENDPOINT_URL_S3": "https://s3.example",
    "AWS_SOMETHING_NEW": "real",
    "AWS_REGION": "eu-central-1",
    "PULUMI_ACCESS_TOKEN": "real",
    "PULUMI_BACKEND_URL": "s3://real",
    "PULUMI_OPTION_JSON": "real",
    "PULUMI_DIY_BACKEND_GZIP": "real",
    "KUBECONFIG": "/real",
}
TEXTS = st.dictionaries(
    st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True),
    st.text(st.characters(codec="ascii", exclude_characters="\0\r")),
)


@pytest.fixture
def home(tmp_path: Path) -> SandboxHome:
    return SandboxHome(tmp_path / "a home")


def merged(home: SandboxHome, **over: str) -> dict[str, str]:
    inherited = {**REAL, **over}
    return {**inherited, **environment(home, inherited=inherited)}


def test_nothing_of_a_real_account_is_left(home: SandboxHome) -> None:
    left = {name: text for name, text in merged(home).items() if text and text == REAL.get(name)}
    assert left == {"AWS_REGION": "eu-central-1"}


def test_a_program_gets_no_empty_variable_of_ours(home: SandboxHome, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore refuses an empty AWS_DEFAULTS_MODE."""
    for name, text in {**REAL, "AWS_DEFAULTS_MODE": "standard", "UNRELATED": ""}.items():
        monkeypatch.setenv(name, text)
    found = environment_module.merged(home)
    assert not {name for name in found if name.startswith(("AWS_", "PULUMI_")) and not found[name]}
    assert "AWS_DEFAULTS_MODE" not in found
    assert found["UNRELATED"] == ""


def test_without_a_fake_aws_calls_go_nowhere(home: SandboxHome) -> None:
    found = merged(home)
    assert {found["AWS_ENDPOINT_URL"], found["AWS_ENDPOINT_URL_S3"]} == {"http://127.0.0.1:9"}


def test_a_dead_environment_reaches_neither_a_backend_nor_a_cloud(
    home: SandboxHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in REAL.items():
        monkeypatch.setenv(name, text)
    found = dead_environment(home)
    assert found["PULUMI_BACKEND_URL"].startswith("file:///dev/null/")
    assert {found["AWS_ENDPOINT_URL"], found["AWS_ENDPOINT_URL_S3"]} == {"http://127.0.0.1:9"}
    assert not [name for name, text in REAL.items() if found.get(name) == text]


def test_credentials_and_profile_are_the_sandboxs_own(home: SandboxHome) -> None:
    found = merged(home)
    assert (found["AWS_ACCESS_KEY_ID"], found["AWS_PROFILE"]) == ("test", "default")
    files = {found[name] for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE")}
    assert files == {str(home.root / "aws-config")}


def test_everything_pulumi_writes_lies_in_the_home(home: SandboxHome) -> None:
    found = merged(home)
    assert found["PULUMI_BACKEND_URL"] == f"{home.state.as_uri()}?metadata=skip"
    assert found["PULUMI_HOME"] == str(home.pulumi_home)
    assert found["KUBECONFIG"].startswith(str(home.root))


def test_the_launchers_come_first_on_path_and_once(home: SandboxHome) -> None:
    once = merged(home)["PATH"]
    assert once == f"{home.bin}:/usr/bin:/bin"
    assert merged(home, PATH=once)["PATH"] == once


@pytest.mark.parametrize(
    ("listed", "expected"),
    [("", "127.0.0.1,localhost"), ("a.b,localhost", "a.b,localhost,127.0.0.1"), ("127.0.0.1,localhost",) * 2],
)
def test_a_proxy_is_not_asked_for_this_machine(home: SandboxHome, listed: str, expected: str) -> None:
    assert merged(home, NO_PROXY=listed)["NO_PROXY"] == expected


@given(TEXTS)
def test_sh_reads_back_every_value(variables: dict[str, str]) -> None:
    words = iter(shlex.split(as_sh(variables)))
    read: dict[str, str] = {}
    for word in words:
        key, _, text = next(words).partition("=")
        read[key] = text if word == "export" else ""
    assert read == variables


@given(st.text(st.characters(codec="ascii", exclude_characters="\0\r\n"), min_size=1))
def test_fish_reads_back_every_value(text: str) -> None:
    line = as_fish({"KEY": text}).rstrip("\n")
    quoted = line.removeprefix("set -gx KEY ")
    assert quoted[0] == quoted[-1] == "'"
    inner = quoted[1:-1].replace("\\\\", "\0").replace("\\'", "'").replace("\0", "\\")
    assert inner == text


def test_fish_takes_path_as_a_list_and_empty_as_erased() -> None:
    assert as_fish({"PATH": "/a b:/c", "AWS_PROFILE": ""}) == "set -gx PATH '/a b' '/c'\nset -e AWS_PROFILE\n"


@given(TEXTS)
def test_json_has_null_for_what_is_unset(variables: dict[str, str]) -> None:
    assert json.loads(as_json(variables)) == {key: text or None for key, text in variables.items()}
