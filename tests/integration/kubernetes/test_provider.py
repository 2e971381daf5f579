"""The plugin's protocol: requests as the engine sends them, on a real API server."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pulumi.errors import InputPropertiesError
from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.kubernetes_provider.provider import KubernetesProvider
from sandbox.paths import PROJECT_ROOT
from sandbox.plugin import UNKNOWN, PluginError, plain_map, value_map
from tests.integration.kubernetes.support_objects import DEPLOYMENT, SECRET, SERVICE, deployment, secret, service
from tests.support_kube import Stage, urn_of

KINDS = protocol.PropertyDiffKind


def wire(items: dict[str, Any]) -> dict[str, PropertyValue]:
    """As a request brings it: unknowns have a form of their own on the wire."""
    return PropertyValue.unmarshal_map(PropertyValue.marshal_map(value_map(items)))


class Plugin:
    """A configured provider, called as the servicer calls it."""

    def __init__(self, **arguments: Any) -> None:
        self.messages: list[str] = []
        self.provider = KubernetesProvider(lambda message, _urn: self.messages.append(message))
        self.configured = asyncio.run(
            self.provider.configure(protocol.ConfigureRequest({}, wire(arguments), True, True))
        )

    def check(self, urn: str, inputs: dict[str, Any], old: dict[str, Any] | None = None) -> protocol.CheckResponse:
        request = protocol.CheckRequest(urn, wire(old or {}), wire(inputs), b"")
        found = asyncio.run(self.provider.check(request))
        return protocol.CheckResponse(
            PropertyValue.unmarshal_map(PropertyValue.marshal_map(found.inputs or {})), found.failures
        )

    def create(self, urn: str, inputs: dict[str, Any], *, preview: bool = False) -> protocol.CreateResponse:
        checked = self.check(urn, inputs).inputs or {}
        return asyncio.run(self.provider.create(protocol.CreateRequest(urn, checked, 30, preview)))

    def diff(self, urn: str, old: dict[str, PropertyValue], inputs: dict[str, Any]) -> protocol.DiffResponse:
        checked = self.check(urn, inputs, plain_map(old)).inputs or {}
        return asyncio.run(self.provider.diff(protocol.DiffRequest(urn, "id", old, checked, [])))


@pytest.fixture
def plugin(stage: Stage) -> Iterator[Plugin]:
    found = Plugin(kubeconfig=str(stage.kubeconfig), namespace=stage.namespace)
    yield found
    asyncio.run(found.provider.cancel())


def test_lets_the_engine_mark_secrets_and_supports_previews(plugin: Plugin) -> None:
    assert (plugin.configured.accept_secrets, plugin.configured.supports_preview) == (False, True)


def test_the_whole_life_of_a_resource(plugin: Plugin, stage: Stage) -> None:
    made = plugin.create(DEPLOYMENT, deployment())
    assert made.resource_id == f"{stage.namespace}/web"
    inputs = plugin.check(DEPLOYMENT, deployment()).inputs or {}
    read = asyncio.run(
        plugin.provider.read(protocol.ReadRequest(DEPLOYMENT, made.resource_id, made.properties, inputs))
    )
    assert plain_map(read.inputs) == plain_map(inputs)
    changed = plugin.diff(DEPLOYMENT, inputs, deployment(replicas=2))
    assert changed.changes
    assert {path: found.kind for path, found in changed.detailed_diff.items()} == {"spec.replicas": KINDS.UPDATE}
    news = plugin.check(DEPLOYMENT, deployment(replicas=2), plain_map(inputs)).inputs or {}
    update = protocol.UpdateRequest(DEPLOYMENT, "id", made.properties, news, 30, [], False)
    updated = asyncio.run(plugin.provider.update(update))
    assert plain_map(updated.properties)["status"]["readyReplicas"] == 2
    delete = protocol.DeleteRequest(DEPLOYMENT, made.resource_id, updated.properties, 30)
    asyncio.run(plugin.provider.delete(delete))
    gone = asyncio.run(plugin.provider.read(protocol.ReadRequest(DEPLOYMENT, made.resource_id, {}, {})))
    assert gone.resource_id == ""


def test_a_replacement_says_so_path_by_path(plugin: Plugin) -> None:
    inputs = plugin.check(SERVICE, service()).inputs or {}
    other = {**service(), "metadata": {"name": "other"}}
    found = plugin.diff(SERVICE, inputs, other)
    assert found.replaces == ["metadata.name"]
    assert found.detailed_diff["metadata.name"].kind is KINDS.UPDATE_REPLACE


def test_the_data_of_a_secret_are_secret_in_state_and_in_refreshed_inputs(plugin: Plugin) -> None:
    made = plugin.create(SECRET, secret())
    inputs = plugin.check(SECRET, secret()).inputs or {}
    read = asyncio.run(plugin.provider.read(protocol.ReadRequest(SECRET, made.resource_id, made.properties, inputs)))
    assert made.properties["data"].is_secret
    assert read.properties["data"].is_secret
    assert read.inputs["stringData"].is_secret


def test_inputs_that_are_not_known_yet_are_shown_as_they_are(plugin: Plugin) -> None:
    inputs = {**service(), "spec": UNKNOWN}
    assert plain_map(plugin.create(SERVICE, inputs, preview=True).properties)["spec"] is UNKNOWN
    old = plugin.check(SERVICE, service()).inputs or {}
    assert list(plugin.diff(SERVICE, old, inputs).detailed_diff) == ["spec"]
    assert plain_map(plugin.check(SERVICE, {"metadata": UNKNOWN}).inputs or {})["metadata"] is UNKNOWN


def test_a_preview_before_the_cluster_exists_goes_by_the_inputs() -> None:
    plugin = Plugin(kubeconfig=UNKNOWN)
    inputs = plugin.check(DEPLOYMENT, deployment()).inputs or {}
    assert plain_map(inputs)["metadata"]["namespace"] == "default"
    assert plugin.create(DEPLOYMENT, deployment(), preview=True).resource_id == ""
    changed = deployment()
    changed["spec"]["selector"]["matchLabels"]["app"] = "other"
    assert plugin.diff(DEPLOYMENT, inputs, changed).replaces == ["spec.selector.matchLabels.app"]
    with pytest.raises(PluginError, match="not known before the resource that makes it exists"):
        plugin.create(DEPLOYMENT, deployment())


def test_wrong_types_are_named_by_property(plugin: Plugin) -> None:
    failures = plugin.check(SERVICE, {"kind": "Pod", "metadata": "web"}).failures or []
    assert [failure.property for failure in failures] == ["kind", "metadata"]


@pytest.mark.parametrize("token", ["kubernetes:helm.sh/v3:Release", "kubernetes:core/v1:ConfigMapPatch"])
def test_refuses_what_it_does_not_serve(plugin: Plugin, token: str) -> None:
    with pytest.raises(PluginError, match="not supported by the sandbox's bundled plugin"):
        plugin.check(urn_of(token), {})


def test_refuses_functions_and_components(plugin: Plugin) -> None:
    with pytest.raises(PluginError, match="kubernetes:yaml:decode is not supported"):
        asyncio.run(plugin.provider.invoke(protocol.InvokeRequest("kubernetes:yaml:decode", {})))
    with pytest.raises(PluginError, match="function kubernetes:other:thing is not supported"):
        asyncio.run(plugin.provider.invoke(protocol.InvokeRequest("kubernetes:other:thing", {})))
    request: Any = protocol.ConstructRequest("kubernetes:yaml/v2:ConfigFile", "x", {}, None)  # type: ignore[arg-type]
    with pytest.raises(InputPropertiesError, match="not supported by the sandbox's bundled plugin"):
        asyncio.run(plugin.provider.construct(request))


def test_a_cluster_elsewhere_is_refused(stage: Stage) -> None:
    text = stage.kubeconfig.read_text().replace("127.0.0.1", "192.0.2.1")
    with pytest.raises(PluginError, match="pulumi plugin install resource kubernetes"):
        Plugin(kubeconfig=text).check(SERVICE, service())


def test_the_plugin_loads_neither_the_sdk_nor_anything_of_aws() -> None:
    code = (
        "import sys, sandbox.kubernetes_provider.__main__\n"
        "print(sorted(set(sys.modules) & {'pulumi_kubernetes', 'boto3', 'botocore', 'moto', 'cryptography'}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
