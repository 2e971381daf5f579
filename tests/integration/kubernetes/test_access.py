"""Certificates, ports, tokens and connections on this machine's disk and loopback."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path

import pytest
import yaml

from sandbox.certificates import ensure_certificates
from sandbox.kube_access import ensure_ports, write_access
from sandbox.kube_programs import CONTROL_PLANE, Layout, Ports, arguments
from sandbox.kubernetes_provider.client import Api, ApiError, UnreachableError
from sandbox.kubernetes_provider.kubeconfig import KubeconfigError, load_connection
from sandbox.paths import SandboxHome
from tests.support_kube import Stage


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(SandboxHome(tmp_path / "a home"))


def test_certificates_are_made_once(layout: Layout) -> None:
    first = ensure_certificates(layout.certificates).serving.read_bytes()
    assert ensure_certificates(layout.certificates).serving.read_bytes() == first
    assert stat.S_IMODE(layout.certificates.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["missing", "broken", "nearly over"])
def test_unusable_certificates_are_made_anew(layout: Layout, damage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if damage == "nearly over":
        monkeypatch.setattr("sandbox.certificates.VALID_DAYS", 20)
    found = ensure_certificates(layout.certificates)
    first = found.serving.read_bytes()
    monkeypatch.undo()
    if damage == "missing":
        found.signing_key.unlink()
    if damage == "broken":
        found.serving.write_text("half a certificate")
    assert ensure_certificates(layout.certificates).serving.read_bytes() not in (first, b"half a certificate")
    assert found.signing_key.is_file()


def test_ports_are_kept_while_they_are_free(layout: Layout) -> None:
    first = ensure_ports(layout)
    assert ensure_ports(layout) == first
    layout.ports_file.write_text("not json")
    assert ensure_ports(layout) != first


def test_kubeconfigs_keep_their_tokens_and_follow_the_port(layout: Layout) -> None:
    certificates = ensure_certificates(layout.certificates)
    write_access(layout, certificates, Ports(etcd=1, api=2))
    first = load_connection(str(layout.kubeconfig("admin")))
    write_access(layout, certificates, Ports(etcd=1, api=3))
    second = load_connection(str(layout.kubeconfig("admin")))
    assert (first.server, second.server) == ("https://127.0.0.1:2", "https://127.0.0.1:3")
    assert first.token == second.token
    tokens = {line.split(",")[0] for line in layout.tokens_file.read_text().splitlines()}
    assert len(tokens) == 4


def test_every_program_gets_paths_of_its_own_home_only(layout: Layout) -> None:
    for program in CONTROL_PLANE:
        argv = arguments(layout, Path("kube"), program, Ports(etcd=1, api=2))
        assert argv[:2] == ["kube", program]
        values = [text.partition("=")[2] for text in argv[2:]]
        assert all(text.startswith(str(layout.folder)) for text in values if text.startswith("/"))


def test_files_named_in_a_kubeconfig_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "token").write_text("t0ken\n")
    config = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1", "certificate-authority": "ca.crt"}}],
        "users": [{"name": "a", "user": {"tokenFile": "token"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    found = load_connection(str(path))
    assert (found.authority, found.token) == (b"CA", "t0ken")
    (tmp_path / "token").unlink()
    with pytest.raises(KubeconfigError, match="tokenFile token cannot be read"):
        load_connection(str(path))


def test_a_missing_kubeconfig_is_told_with_the_command_that_makes_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(KubeconfigError, match=r"none.*seekstack sandbox env --kubernetes"):
        load_connection(None)


def test_nobody_at_the_address_is_told_with_the_command_that_starts_it(layout: Layout) -> None:
    write_access(layout, ensure_certificates(layout.certificates), ensure_ports(layout))
    api = Api(load_connection(str(layout.kubeconfig("admin"))))
    with contextlib.closing(api), pytest.raises(UnreachableError, match="seekstack sandbox env --kubernetes"):
        api.get("/readyz")


def test_a_server_with_another_certificate_is_not_trusted(layout: Layout, stage: Stage) -> None:
    write_access(layout, ensure_certificates(layout.certificates), Ports(1, int(stage.api.server.rpartition(":")[2])))
    api = Api(load_connection(str(layout.kubeconfig("admin"))))
    with contextlib.closing(api), pytest.raises(UnreachableError, match="SSL"):
        api.get("/readyz")


def test_a_wrong_token_is_refused(stage: Stage) -> None:
    connection = load_connection(str(stage.kubeconfig))
    wrong = type(connection)(connection.server, connection.authority, "wrong", None, None, "default")
    with contextlib.closing(Api(wrong)) as api, pytest.raises(ApiError, match="Unauthorized"):
        api.get("/api/v1/nodes")
