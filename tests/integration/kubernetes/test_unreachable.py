"""An API server that is down: nothing is lost, nothing is guessed, and the message says how to start it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.certificates import ensure_certificates
from sandbox.kube_access import ensure_ports, write_access
from sandbox.kube_programs import Layout
from sandbox.kubernetes_provider.client import Api
from sandbox.kubernetes_provider.kubeconfig import load_connection
from sandbox.kubernetes_provider.settings import Settings
from sandbox.paths import SandboxHome
from sandbox.plugin import PluginError
from tests.integration.kubernetes.support_objects import SERVICE, service
from tests.support_kube import Stage


@pytest.fixture
def down(tmp_path: Path) -> Iterator[Stage]:
    layout = Layout(SandboxHome(tmp_path))
    write_access(layout, ensure_certificates(layout.certificates), ensure_ports(layout))
    with contextlib.closing(Api(load_connection(str(layout.kubeconfig("admin"))))) as api:
        yield Stage(api, "space", layout.kubeconfig("admin"))


def test_a_preview_goes_by_the_inputs_and_says_that_they_were_not_validated(down: Stage) -> None:
    inputs = down.checked(SERVICE, service())
    assert down.resources.create(SERVICE, inputs, seconds=0, preview=True) == ("", inputs)
    assert "not validated in this preview: no API server answers" in down.messages[0]
    assert down.resources.diff(SERVICE, inputs, down.checked(SERVICE, service(port=1), inputs)).changes


def test_a_refresh_does_not_take_it_for_deleted(down: Stage) -> None:
    with pytest.raises(PluginError, match="seekstack sandbox env --kubernetes"):
        down.read(SERVICE, "space/web", {}, {})


def test_a_delete_fails_unless_configured_otherwise(down: Stage) -> None:
    with pytest.raises(PluginError, match="no API server answers"):
        down.delete(SERVICE, "space/web", {})
    down.restart(Settings(delete_unreachable=True))
    down.delete(SERVICE, "space/web", {})
    assert "skipped" in down.messages[-1]


def test_an_update_fails_unless_configured_otherwise(down: Stage) -> None:
    inputs = down.checked(SERVICE, service())
    with pytest.raises(PluginError, match="no API server answers"):
        down.resources.update(SERVICE, {"kept": 1}, inputs, seconds=0, preview=False)
    down.restart(Settings(skip_update_unreachable=True))
    assert down.resources.update(SERVICE, {"kept": 1}, inputs, seconds=0, preview=False) == {"kept": 1}
