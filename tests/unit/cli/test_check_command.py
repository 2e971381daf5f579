"""`seekstack check` says everything that is wrong with a stack file, and what a right one plans."""

import json

import pytest

from infra.cli.main import main
from sandbox.paths import PROJECT_ROOT

WRONG = """\
config:
  seekstack:modle: 7B
  seekstack:model: 7C
  seekstack:model: 8B
  seekstack:contextTokens: many
  seekstack:vpcCidr: 10.0.0.0
  seekstack:intranetCidrs: [10.0.0.0/8, 0.0.0.0/0]
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text((PROJECT_ROOT / "Pulumi.yaml").read_text())
    return tmp_path


def test_every_error_comes_at_once_by_line_with_a_fix_and_exit_code_2(project, capsys):
    (project / "Pulumi.dev.yaml").write_text(WRONG)
    assert main(["check", "-s", "dev", "-C", str(project), "--json"]) == 2
    errors = json.loads(capsys.readouterr().out)["error"]["errors"]
    found = [(error["location"]["line"], error["key"].removeprefix("seekstack:")) for error in errors]
    assert found == [
        (2, "modle"),
        (3, "model"),
        (4, "model"),
        (5, "contextTokens"),
        (6, "vpcCidr"),
        (7, "intranetCidrs[1]"),
        (None, "aws:region"),
    ]
    assert all(error["allowed"] and error["fix"] for error in errors)


def test_the_text_form_names_file_and_line(project, capsys):
    (project / "Pulumi.dev.yaml").write_text(WRONG)
    assert main(["check", "-s", "dev", "-C", str(project)]) == 2
    text = capsys.readouterr().err
    assert "7 configuration errors" in text
    assert "Pulumi.dev.yaml:2: seekstack:modle: is not a key of seekstack; did you mean seekstack:model?" in text


def test_a_model_that_does_not_fit_is_a_refusal_with_exit_code_2(project, capsys):
    (project / "Pulumi.dev.yaml").write_text(
        "config:\n  aws:region: us-east-1\n  model: 32B\n  instanceType: g4dn.xlarge\n  intranetCidrs: [10.0.0.0/8]\n"
    )
    assert main(["check", "-s", "dev", "-C", str(project)]) == 2
    assert "weights: DeepSeek-R1-Distill-Qwen-32B" in capsys.readouterr().err


@pytest.mark.parametrize("stack", ["dev", "dev-k8s"])
def test_the_stacks_of_the_repository_are_right(stack, capsys):
    assert main(["check", "-s", stack, "-C", str(PROJECT_ROOT)]) == 0
    assert capsys.readouterr().out.startswith(f"{stack}: ")


def test_the_plan_comes_as_json(capsys):
    assert main(["check", "-s", "dev", "-C", str(PROJECT_ROOT), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["plan"]["fits"] is True


def test_a_folder_below_the_project_finds_it(project, capsys, monkeypatch):
    (project / "Pulumi.dev.yaml").write_text((PROJECT_ROOT / "Pulumi.dev.yaml").read_text())
    (project / "infra").mkdir()
    monkeypatch.chdir(project / "infra")
    assert main(["check"]) == 0


OWN_MODEL = """\
models:
  - {id: me/tiny, label: Tiny, architecture: dense, attention: grouped, parameters: 1000000000, layers: 16,
     attention_heads: 16, kv_heads: 4, head_dim: 64, hidden_size: 1024, intermediate_size: 4096, vocabulary: 32000,
     max_positions: 32768, native_dtype: bf16, weights_bytes: 2000000000, min_engine_version: 0.6.6,
     released: "2026-01-01", source: our own, date: "2026-11-24"}
"""


def test_a_model_of_the_project_named_with_c_is_found_from_anywhere(project, capsys, monkeypatch, tmp_path_factory):
    (project / "catalog").mkdir()
    (project / "catalog" / "models.yaml").write_text(OWN_MODEL)
    (project / "Pulumi.dev.yaml").write_text(
        "config:\n  aws:region: us-east-1\n  model: Tiny\n  intranetCidrs: [10.0.0.0/8]\n"
    )
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert main(["check", "-C", str(project)]) == 0
    assert capsys.readouterr().out.startswith("dev: Tiny ")


def test_every_cause_of_a_refusal_is_in_the_json(project, capsys):
    (project / "Pulumi.dev.yaml").write_text(
        "config:\n  aws:region: us-east-1\n  model: 32B\n  instanceType: g4dn.xlarge\n  intranetCidrs: [10.0.0.0/8]\n"
    )
    assert main(["check", "-C", str(project), "--json"]) == 2
    reasons = json.loads(capsys.readouterr().out)["error"]["reasons"]
    assert [reason["code"] for reason in reasons] == ["weights"]


def test_a_region_that_is_none_is_an_error_and_one_that_may_be_new_a_warning(project, capsys):
    right = (PROJECT_ROOT / "Pulumi.dev.yaml").read_text()
    (project / "Pulumi.dev.yaml").write_text(right.replace("us-east-1", "us-esat-1"))
    assert main(["check", "-C", str(project)]) == 2
    assert "Pulumi.dev.yaml:4: aws:region: 'us-esat-1' is not an AWS region; did you mean us-east-1?" in (
        capsys.readouterr().err
    )
    (project / "Pulumi.dev.yaml").write_text(right.replace("us-east-1", "us-east-3"))
    assert main(["check", "-C", str(project)]) == 0
    assert "warning: aws:region: us-east-3" in capsys.readouterr().out
    assert main(["check", "-C", str(project), "--json"]) == 0
    assert "us-east-3" in json.loads(capsys.readouterr().out)["warnings"][0]


def test_text_that_stands_for_a_list_is_refused_as_the_engine_does(project, capsys):
    text = "config:\n  aws:region: us-east-1\n  model: 7B\n  intranetCidrs: '[\"10.0.0.0/8\"]'\n"
    (project / "Pulumi.dev.yaml").write_text(text)
    assert main(["check", "-C", str(project)]) == 2
    assert "must be a list" in capsys.readouterr().err


def test_an_empty_stack_name_is_refused_as_such(project, capsys):
    assert main(["check", "-C", str(project), "-s", ""]) == 2
    assert "'' is not the name of a stack" in capsys.readouterr().err
