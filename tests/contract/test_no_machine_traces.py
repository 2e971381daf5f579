"""No committed file tells on which machine, in which account or behind which mirror it was written."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.contract.support_files import committed_files, text_of

# Written in two parts where the pattern would find itself.
PATTERNS = {
    "a path of somebody's machine": re.compile(r"(?<![\w.}])/(?:work/(?:main|shared)|root|home/\w+|Users/\w+)" + r"/"),
    "a scratch path": re.compile("/" + r"tmp/(?:exp|contracts|bash_jobs)\b"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)" + r"(?!IOSFODNN7)[A-Z0-9]{16}\b"),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE" + r" KEY-----\n[A-Za-z0-9+/]"),
    "a token": re.compile(r"\b(?:ghp|gho|ghs|github_pat|hf|pul|glpat|xox[abp])[_-]" + r"[A-Za-z0-9_]{20,}"),
    "an account id": re.compile(r"(?:arn:aws[\w-]*:[\w-]*:[\w-]*:|account_?-?[iI]d\W{1,4})(\d{12})\b"),
    "an internal host": re.compile(r"https?://[\w.-]+\.(?:internal|corp|lan|local)\b"),
}
EXAMPLE_ACCOUNTS = frozenset({"000000000000", "111111111111", "111122223333", "123456789012", "999999999999"})
"""What AWS documentation and moto use."""
INDEX_SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "GOPROXY", "HTTPS_PROXY")
PUBLIC_HOSTS = frozenset({"pypi.org", "files.pythonhosted.org", "proxy.golang.org", "127.0.0.1", "localhost"})
SELF = "tests/contract/test_no_machine_traces.py"


def traces(text: str) -> Iterator[str]:
    """What in `text` gives a machine, a secret or an account away."""
    for what, pattern in PATTERNS.items():
        for match in pattern.finditer(text):
            if not match.groups() or match[1] not in EXAMPLE_ACCOUNTS:
                yield f"{what}: {match[0]!r} in line {text.count(chr(10), 0, match.start()) + 1}"


def local_words(environment: Mapping[str, str]) -> set[str]:
    """This machine's own: the home folder, and the hosts of configured package mirrors and proxies."""
    hosts = {
        urlsplit(part).hostname or ""
        for name in INDEX_SETTINGS
        for part in re.split(r"[,| ]", environment.get(name, "") or environment.get(name.lower(), ""))
    }
    home = environment.get("HOME", "")
    return {word for word in (hosts - PUBLIC_HOSTS) | ({home} if len(Path(home).parts) > 2 else set()) if word}


def test_no_file_holds_a_path_a_secret_or_an_account() -> None:
    found = {name: list(traces(text_of(name))) for name in committed_files() if name != SELF}
    assert {name: problems for name, problems in found.items() if problems} == {}


def test_no_file_names_this_machines_home_or_mirrors() -> None:
    words = local_words(os.environ)
    assert [(name, word) for name in committed_files() for word in words if word in text_of(name)] == []


def test_the_lock_file_names_the_public_index_only() -> None:
    hosts = set(re.findall(r'"https?://([^/"]+)/', text_of("uv.lock")))
    assert hosts == {"pypi.org", "files.pythonhosted.org"}


@pytest.mark.parametrize(
    "text",
    [
        "cd /root" + "/x",
        "see /home" + "/anna/.ssh",
        "AKIA" + "Q" * 16,
        "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIE",
        "ghp_" + "a" * 36,
        "arn:aws:iam::" + "4" * 12 + ":role/x",
        "https://pypi.corp" + "/simple",
    ],
)
def test_a_trace_is_found(text: str) -> None:
    assert list(traces(text))


def test_examples_of_the_documentation_are_no_traces() -> None:
    assert not list(traces("arn:aws:iam::123456789012:role/x and http://127.0.0.1:5000/ and ~/.cache"))


def test_a_mirror_of_this_machine_is_a_local_word() -> None:
    environment = {"PIP_INDEX_URL": "https://mirror.example/simple", "GOPROXY": "https://goproxy.example,direct"}
    assert local_words(environment) == {"mirror.example", "goproxy.example"}
    assert local_words({"PIP_INDEX_URL": "https://pypi.org/simple", "HOME": "/root"}) == set()
