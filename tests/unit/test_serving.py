"""Plan to serving spec, and edited templates to errors a person can act on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from infra import serving
from infra.catalog.load import load as load_catalog
from infra.errors import ConfigurationError, ConfigurationErrors, SizingError
from infra.planning import plan_for
from infra.serving import render_checked, serving_spec
from infra.units import BYTES_PER_MIB
from k8s.render import TEMPLATES, RenderedFile, render
from k8s.spec import ServingSpec
from tests.serving_factories import VARIANTS, find, make_settings, make_spec, make_variant


@pytest.mark.parametrize("model", VARIANTS)
def test_asks_the_cluster_for_what_the_plan_says(model: str) -> None:
    settings, plan = make_variant(model)
    spec = serving_spec(settings, plan)
    assert (spec.gpus, spec.cpu_millicores, spec.startup_budget_seconds) == (
        plan.gpus, plan.cpu_millicores, plan.startup_budget_seconds,
    )  # fmt: skip
    assert plan.host_memory_bytes <= spec.memory_bytes < plan.host_memory_bytes + BYTES_PER_MIB
    assert spec.intranet_cidrs == ("10.0.0.0/8", "192.168.10.0/24")


def test_gives_the_model_as_position_because_the_option_is_deprecated() -> None:
    settings, plan = make_variant("7B")
    arguments = serving_spec(settings, plan).engine_arguments
    assert arguments[0] == "/weights"
    assert not [argument for argument in arguments if argument.startswith("--model=")]
    assert set(plan.engine_arguments) - set(arguments) == {"--model=/weights"}
    assert f"--port={settings.port}" in arguments


def test_the_server_is_started_with_the_cache_that_was_configured() -> None:
    settings = make_settings(model="7B", gpu="A10G", kvCacheDtype="fp8")
    arguments = serving_spec(settings, plan_for(settings, load_catalog())).engine_arguments
    assert "--kv-cache-dtype=fp8" in arguments


def test_mounts_the_weights_where_the_engine_reads_them() -> None:
    settings, plan = make_variant("7B")
    text = next(file.text for file in render(serving_spec(settings, plan)) if file.name.endswith("deployment.yaml"))
    assert "mountPath: /weights, readOnly: true" in text
    assert '"/var/lib/seekstack/weights/deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"' in text


def test_names_no_model_size_or_engine_in_object_names() -> None:
    names = [[manifest.identity for manifest in render_checked(spec_of(model)).manifests] for model in VARIANTS]
    assert all(found == names[0] for found in names)


@pytest.mark.parametrize(("gpus", "replicas", "surge"), [(1, 1, 0), (2, 1, 1), (2, 2, 0), (4, 2, 1), (4, 4, 0)])
def test_surges_only_where_one_node_has_spare_gpus(gpus: int, replicas: int, surge: int) -> None:
    settings = make_settings(gpus=gpus, replicas=replicas)
    assert serving_spec(settings, plan_for(settings, load_catalog())).surge_replicas == surge


@pytest.mark.parametrize(("model", "reported_mib"), [("1.5B", 15109), ("7B", 22731), ("14B", 24564), ("32B", 81920)])
def test_admits_the_planned_gpu_and_not_the_next_smaller_one(model: str, reported_mib: int) -> None:
    assert reported_mib * 0.75 < spec_of(model).gpu_memory_mib <= reported_mib


def test_refuses_a_model_that_needs_several_machines() -> None:
    settings, plan = make_variant("7B")
    with pytest.raises(SizingError, match="needs 2 machines") as refused:
        serving_spec(settings, replace(plan, nodes=2))
    assert (refused.value.code, refused.value.key, refused.value.exit_code) == ("SKS0501", "seekstack:gpus", 2)


def test_refuses_settings_without_an_engine_image() -> None:
    settings, plan = make_variant("7B")
    with pytest.raises(ValueError, match="without an image"):
        serving_spec(replace(settings, image=None), plan)


def test_returns_files_and_the_objects_in_them() -> None:
    rendered = render_checked(make_spec())
    assert len(rendered.manifests) == 13
    assert {manifest.source for manifest in rendered.manifests} == {file.name for file in rendered.files}
    assert find(rendered.manifests, "Namespace/deepseek") == rendered.manifests[0]


def test_reports_every_rule_that_an_edited_template_breaks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    edited = edit_template(tmp_path, "service", ("ClusterIP", "NodePort"))
    edit_template(tmp_path, "restart", ("Forbid", "Allow"))
    errors = errors_of(monkeypatch, edited)
    assert [(error.code, str(error.location)) for error in errors] == [
        ("SKS0533", "templates/k8s/restart.yaml.j2"),
        ("SKS0532", "templates/k8s/service.yaml.j2"),
    ]
    assert errors[1].key == "Service/deepseek/model-server spec.type"
    assert errors[1].fix == "type: ClusterIP"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{{ port }}", "{{ prot }}", "'prot' is undefined"),
        ("{{ port }}", "{% if %}", "Expected an expression"),
        ("name: {{ server }}", "name: {{ server }}-svc", "not YAML"),
        ("kind: Service", "knd: Service", "document 1 has no text at kind"),
    ],
)
def test_names_the_template_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, old: str, new: str, problem: str
) -> None:
    (error,) = errors_of(monkeypatch, edit_template(tmp_path, "service", (old, new)))
    assert error.code == "SKS0502"
    assert problem in error.message
    assert str(error.location) == "templates/k8s/service.yaml.j2"


def spec_of(model: str) -> ServingSpec:
    return serving_spec(*make_variant(model))


def edit_template(folder: Path, name: str, change: tuple[str, str]) -> Path:
    """A copy of the shipped templates in `folder` with one replacement; edits of several calls add up."""
    for template in TEMPLATES.glob("*.j2"):
        if not (folder / template.name).exists():
            (folder / template.name).write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    path = folder / f"{name}.yaml.j2"
    text = path.read_text(encoding="utf-8")
    assert change[0] in text
    path.write_text(text.replace(*change), encoding="utf-8")
    return folder


def errors_of(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[ConfigurationError, ...]:
    def render_from(spec: ServingSpec) -> tuple[RenderedFile, ...]:
        return render(spec, folder)

    monkeypatch.setattr(serving, "render", render_from)
    with pytest.raises(ConfigurationErrors) as refused:
        render_checked(make_spec())
    return refused.value.errors
