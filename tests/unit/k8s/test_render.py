"""Rendering: every value survives, whatever it looks like; nothing but plain values gets in."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from k8s.manifest import LOADER, ManifestError, load
from k8s.render import TEMPLATES, encode, render, template_values
from k8s.violation import dig
from tests.serving_factories import find, make_manifests, make_spec

DEPLOYMENT = "Deployment/deepseek/model-server"
TREACHEROUS = ("no", "1.10", "0x10", "~", "", "{{ x }}", "{% raw %}", "a\"b'c", "a: b # c", "- x", "a\nb\r\n", "é漢😀")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=100), inner),
    max_leaves=8,
)


def container(**over: Any) -> dict[str, Any]:
    deployment = find(make_manifests(make_spec(**over)), DEPLOYMENT)
    (found,) = dig(deployment.body, "spec.template.spec.containers")
    return dict(found)


@settings(deadline=None)  # a loaded machine is no failure
@given(JSON)
@example("\x85\u2028\u2029\x7f\ufeff")
@example("\ufffe\uffff")
@example(list(TREACHEROUS))
def test_encodes_any_plain_value_so_that_yaml_reads_the_same(value: object) -> None:
    for loader in (yaml.SafeLoader, LOADER):
        assert yaml.load(f"key: {encode(value)}", loader) == {"key": value}  # noqa: S506 both are safe
        assert yaml.load(f"{{ a: {encode(value)}, b: 1 }}", loader) == {"a": value, "b": 1}  # noqa: S506


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(), min_size=1, max_size=4))
@example(list(TREACHEROUS))
def test_hands_arguments_to_the_engine_unchanged(arguments: list[str]) -> None:
    assert container(engine_arguments=tuple(arguments))["args"] == arguments


@settings(deadline=None, max_examples=30)
@given(st.text())
@example("\x00\x1b[31m")
def test_keeps_any_text_in_names_labels_paths_and_schedules(text: str) -> None:
    name = f"n{text}"
    spec = make_spec(name=name, namespace=name, image=text, weights_host_path=text, restart_schedule=text)
    manifests = make_manifests(spec)
    deployment = find(manifests, f"Deployment/{name}/{name}")
    assert dig(deployment.body, "spec.selector.matchLabels")["app.kubernetes.io/instance"] == name
    assert dig(deployment.body, "spec.template.spec.volumes")[0]["hostPath"]["path"] == text
    assert dig(deployment.body, "spec.template.spec.containers")[0]["image"] == text
    assert dig(find(manifests, f"CronJob/{name}/{name}-restart").body, "spec.schedule") == text


@pytest.mark.parametrize("version", ["0.11.0+cu128", "x" * 80, "漢", "-a-"])
def test_makes_a_label_value_of_any_version(version: str) -> None:
    deployment = find(make_manifests(make_spec(version=version)), DEPLOYMENT)
    label = dig(deployment.body, "metadata.labels")["app.kubernetes.io/version"]
    assert len(label) <= 63
    assert label == "" or (label[0] + label[-1]).isalnum()


def test_waits_at_least_the_startup_budget() -> None:
    probe = container(startup_budget_seconds=365)["startupProbe"]
    assert 365 <= probe["failureThreshold"] * probe["periodSeconds"] < 375


def test_lets_the_rollout_take_longer_than_the_startup() -> None:
    deployment = find(make_manifests(make_spec(startup_budget_seconds=3600)), DEPLOYMENT)
    assert dig(deployment.body, "spec.progressDeadlineSeconds") > 3600


@pytest.mark.parametrize(
    ("replicas", "surge", "strategy"),
    [
        (1, 0, {"type": "Recreate"}),
        (3, 0, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        (1, 1, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}),
    ],
)
def test_surges_only_onto_spare_gpus(replicas: int, surge: int, strategy: dict[str, Any]) -> None:
    deployment = find(make_manifests(make_spec(replicas=replicas, surge_replicas=surge)), DEPLOYMENT)
    assert dig(deployment.body, "spec.strategy") == strategy


def test_takes_the_api_key_from_a_named_secret_and_never_from_the_command_line() -> None:
    found = container(api_key_secret="model-key")
    (variable,) = (entry for entry in found["env"] if entry["name"] == "VLLM_API_KEY")
    assert variable == {"name": "VLLM_API_KEY", "valueFrom": {"secretKeyRef": {"name": "model-key", "key": "api-key"}}}
    assert not [argument for argument in found["args"] if "key" in argument]


def test_serves_without_a_key_where_no_secret_is_named() -> None:
    assert "VLLM_API_KEY" not in {entry["name"] for entry in container()["env"]}


def test_leaves_out_nodes_that_report_too_little_gpu_memory() -> None:
    deployment = find(make_manifests(make_spec(gpu_memory_mib=14611)), DEPLOYMENT)
    path = "spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"
    reported, unreported = (term["matchExpressions"] for term in dig(deployment.body, path))
    assert reported == [{"key": "nvidia.com/gpu.memory", "operator": "Gt", "values": ["14610"]}]
    assert unreported == [{"key": "nvidia.com/gpu.memory", "operator": "DoesNotExist"}]


def test_writes_no_cron_job_and_no_rights_without_a_schedule() -> None:
    kinds = {manifest.kind for manifest in make_manifests(make_spec(restart_schedule=None))}
    assert not kinds & {"CronJob", "Role", "RoleBinding"}


def test_gives_the_restart_rights_on_one_deployment_only() -> None:
    role = find(make_manifests(make_spec()), "Role/deepseek/model-server-restart")
    assert role.body["rules"] == [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments"],
            "resourceNames": ["model-server"],
            "verbs": ["get", "patch"],
        }
    ]


def test_keeps_restart_pods_out_of_the_service() -> None:
    manifests = make_manifests(make_spec())
    selector = dig(find(manifests, "Service/deepseek/model-server").body, "spec.selector")
    cron_job = find(manifests, "CronJob/deepseek/model-server-restart")
    labels = dig(cron_job.body, "spec.jobTemplate.spec.template.metadata.labels")
    assert not selector.items() <= labels.items()


def test_numbers_files_in_the_order_they_apply() -> None:
    names = [file.name for file in render(make_spec())]
    assert names == sorted(names)
    assert names[0] == "00-namespace.yaml"


def test_names_the_template_and_the_missing_value(tmp_path: Path) -> None:
    for template in TEMPLATES.glob("*.j2"):
        (tmp_path / template.name).write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "service.yaml.j2").write_text("name: {{ sever }}\n", encoding="utf-8")
    with pytest.raises(ManifestError, match=r"service\.yaml\.j2: 'sever' is undefined"):
        render(make_spec(), tmp_path)


def test_refuses_anything_but_plain_values() -> None:
    with pytest.raises(ManifestError, match="only plain values enter a template, not object"):
        render(make_spec(image=object()))


def test_refuses_half_a_character_because_no_reader_could_take_it() -> None:
    with pytest.raises(ManifestError, match="invalid Unicode character"):
        load(f"name: {encode(chr(0xD800))}", "service.yaml")


def test_breaks_at_once_where_a_template_glues_text_to_an_expression() -> None:
    environment = jinja2.Environment(finalize=encode, autoescape=False)  # noqa: S701 YAML, not HTML
    text = environment.from_string("name: {{ x }}-svc").render(x="a")
    with pytest.raises(ManifestError, match="not YAML"):
        load(text, "service.yaml")


def test_offers_templates_no_secret() -> None:
    assert not [key for key in template_values(make_spec()) if "password" in key or "token" in key]


def test_renders_without_pulumi() -> None:
    code = "import sys; import k8s.render, k8s.checks; sys.exit(any(name.startswith('pulumi') for name in sys.modules))"
    root = Path(__file__).resolve().parents[3]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def test_selects_the_named_nodes_and_writes_no_empty_selector() -> None:
    chosen = find(make_manifests(make_spec(node_selector={"pool": "gpu"})), DEPLOYMENT)
    assert dig(chosen.body, "spec.template.spec.nodeSelector") == {"pool": "gpu"}
    # The API server drops an empty one, which then reads as drift.
    anywhere = find(make_manifests(make_spec()), DEPLOYMENT)
    assert "nodeSelector" not in dig(anywhere.body, "spec.template.spec")
