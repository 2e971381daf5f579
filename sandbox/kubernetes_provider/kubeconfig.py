"""Which API server, and as whom: a kubeconfig read for one context. Only servers on this machine are accepted."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

__all__ = ["Connection", "KubeconfigError", "load_connection"]

OFFICIAL_PLUGIN = "pulumi plugin install resource kubernetes 4.34.2"
NO_KUBECONFIG = (
    "no kubeconfig: set the provider's `kubeconfig`, or $KUBECONFIG; "
    'the sandbox has one: eval "$(seekstack sandbox env --kubernetes)"'
)


class KubeconfigError(ValueError):
    """A kubeconfig that cannot be read, lacks the context, or names a server the bundled plugin must not touch."""


@dataclass(frozen=True, slots=True, repr=False)
class Connection:
    """What one context says. Not shown by repr(): it holds a token and a key."""

    server: str
    authority: bytes | None
    token: str | None
    certificate: bytes | None
    key: bytes | None
    namespace: str


def load_connection(kubeconfig: str | None, context: str | None = None) -> Connection:
    """Read `kubeconfig` (text or path; None: `$KUBECONFIG`, then `~/.kube/config`) for `context` or the current."""
    text, folder = _text(kubeconfig)
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise KubeconfigError(f"the kubeconfig is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(config, Mapping):
        raise KubeconfigError("the kubeconfig is neither a path that exists nor a kubeconfig document")
    chosen = context or config.get("current-context")
    if not chosen:
        raise KubeconfigError("the kubeconfig has no current-context: set the provider's `context`")
    entry = _entry(config, "contexts", "context", chosen)
    cluster = _entry(config, "clusters", "cluster", entry.get("cluster"))
    user = _entry(config, "users", "user", entry.get("user"))
    server = str(cluster.get("server", ""))
    _refuse_remote(server)
    return Connection(
        server=server.rstrip("/"),
        authority=_data(cluster, "certificate-authority", folder),
        token=_token(user, folder),
        certificate=_data(user, "client-certificate", folder),
        key=_data(user, "client-key", folder),
        namespace=str(entry.get("namespace") or "default"),
    )


def _text(kubeconfig: str | None) -> tuple[str, Path]:
    if kubeconfig and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        return kubeconfig, Path.cwd()
    named = kubeconfig or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    path = Path(named).expanduser() if named else Path.home() / ".kube" / "config"
    try:
        return path.read_text(), path.parent
    except FileNotFoundError:
        raise KubeconfigError(NO_KUBECONFIG if not named else f"no kubeconfig at {path}. {NO_KUBECONFIG}") from None
    except OSError as error:
        raise KubeconfigError(f"the kubeconfig {path} cannot be read: {error.strerror}") from None


def _entry(config: Mapping[str, Any], section: str, key: str, name: object) -> Mapping[str, Any]:
    for item in config.get(section) or ():
        if isinstance(item, Mapping) and item.get("name") == name and isinstance(item.get(key), Mapping):
            found: Mapping[str, Any] = item[key]
            return found
    known = ", ".join(sorted(str(item.get("name")) for item in config.get(section) or ())) or "none"
    raise KubeconfigError(f"the kubeconfig has no {key} {name!r} (it has: {known})")


def _data(entry: Mapping[str, Any], key: str, folder: Path) -> bytes | None:
    if encoded := entry.get(f"{key}-data"):
        try:
            return base64.b64decode(encoded, validate=True)
        except (binascii.Error, TypeError):
            raise KubeconfigError(f"{key}-data in the kubeconfig is not base64") from None
    if not (path := entry.get(key)):
        return None
    try:
        return Path(folder, str(path)).read_bytes()
    except OSError as error:
        raise KubeconfigError(f"{key} {path} cannot be read: {error.strerror}") from None


def _token(user: Mapping[str, Any], folder: Path) -> str | None:
    for unsupported in ("exec", "auth-provider"):
        if unsupported in user:
            raise KubeconfigError(
                f"the kubeconfig logs in with {unsupported!r}, which the sandbox's bundled plugin does not do; "
                f"the official one does: {OFFICIAL_PLUGIN}"
            )
    if token := user.get("token"):
        return str(token)
    if not (path := user.get("tokenFile")):
        return None
    try:
        return Path(folder, str(path)).read_text().strip()
    except OSError as error:
        raise KubeconfigError(f"tokenFile {path} cannot be read: {error.strerror}") from None


def _refuse_remote(server: str) -> None:
    """A sandbox plugin that reached a real cluster could delete real things: only loopback addresses pass."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback or parts.scheme not in ("https", "http"):
        raise KubeconfigError(
            f"the bundled kubernetes plugin only talks to an API server on this machine, not to {server or 'nothing'}. "
            f"For a real cluster install the official plugin: {OFFICIAL_PLUGIN}"
        )
