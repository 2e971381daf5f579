"""Which servers are accepted, and what is read of a kubeconfig."""

from __future__ import annotations

import base64

import pytest
import yaml

from sandbox.kubernetes_provider.kubeconfig import KubeconfigError, load_connection


def config(server: str = "https://127.0.0.1:6443", **user: object) -> str:
    document = {
        "current-context": "main",
        "contexts": [
            {"name": "main", "context": {"cluster": "one", "user": "me"}},
            {"name": "spaced", "context": {"cluster": "one", "user": "me", "namespace": "space"}},
            {"name": "broken", "context": {"cluster": "none", "user": "me"}},
        ],
        "clusters": [{"name": "one", "cluster": {"server": server, "certificate-authority-data": encoded("CA")}}],
        "users": [{"name": "me", "user": user or {"token": "t0ken"}}],
    }
    return yaml.safe_dump(document)


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_reads_server_authority_and_token() -> None:
    found = load_connection(config())
    assert (found.server, found.authority, found.token, found.namespace) == (
        "https://127.0.0.1:6443",
        b"CA",
        "t0ken",
        "default",
    )


def test_a_context_can_be_chosen_and_brings_its_namespace() -> None:
    assert load_connection(config(), "spaced").namespace == "space"


def test_json_is_a_kubeconfig_too() -> None:
    text = yaml.safe_dump(yaml.safe_load(config()), default_flow_style=True, width=10**6).strip()
    assert "\n" not in text
    assert load_connection(text).token == "t0ken"


def test_client_certificates_are_read() -> None:
    found = load_connection(config(**{"client-certificate-data": encoded("C"), "client-key-data": encoded("K")}))
    assert (found.certificate, found.key, found.token) == (b"C", b"K", None)


def test_credentials_are_not_in_its_repr() -> None:
    assert "t0ken" not in repr(load_connection(config()))


@pytest.mark.parametrize(
    "server", ["https://localhost:1", "https://127.9.9.9", "https://[::1]:6443", "http://127.0.0.1"]
)
def test_accepts_servers_on_this_machine(server: str) -> None:
    assert load_connection(config(server)).server == server


@pytest.mark.parametrize(
    "server",
    [
        *("https://10.0.0.1:6443", "https://eks.example.com", "https://127.0.0.1.example.com", "https://0.0.0.0"),
        *("https://localhost@example.com", "https://example.com#localhost", "ftp://127.0.0.1", ""),
    ],
)
def test_refuses_servers_elsewhere_and_names_the_official_plugin(server: str) -> None:
    with pytest.raises(KubeconfigError, match="pulumi plugin install resource kubernetes"):
        load_connection(config(server))


@pytest.mark.parametrize(
    ("text", "context", "message"),
    [
        ("a: [\n", None, "not YAML"),
        ("- a\n- b\n", None, "neither a path"),
        ("a: b\nc: d\n", None, "no current-context"),
        (config(), "other", "no context 'other' .it has: broken, main, spaced"),
        (config(), "broken", "no cluster 'none'"),
        (config(exec={"command": "aws"}), None, "logs in with 'exec'"),
        (config(**{"client-key-data": "not base64!"}), None, "client-key-data .* not base64"),
    ],
)
def test_says_what_is_wrong(text: str, context: str | None, message: str) -> None:
    with pytest.raises(KubeconfigError, match=message):
        load_connection(text, context)
