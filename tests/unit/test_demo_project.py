"""The demo runs the repository's program from a folder of its own and leaves the person's files alone."""

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from infra.errors import ToolError
from sandbox.demo_project import choose_model, write_project

PROJECT = "name: seekstack\nruntime:\n  name: python\nmain: infra\n"
STACK = "# note\nconfig:\n  aws:region: us-east-1\n  seekstack:model: 1.5B  # small\n  seekstack:port: 8000\n"


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "checkout"
    (folder / "infra").mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(PROJECT)
    (folder / "Pulumi.dev.yaml").write_text(STACK)
    return folder


def test_main_still_names_the_program_of_the_checkout(source):
    folder = write_project(source, source / ".seekstack" / "demo")
    main = yaml.safe_load((folder / "Pulumi.yaml").read_text())["main"]
    assert not Path(main).is_absolute()
    assert (folder / main).resolve() == source / "infra"


def test_a_stack_keeps_the_salt_it_got_when_it_was_made(source):
    folder = write_project(source, source / "demo")
    with (folder / "Pulumi.dev.yaml").open("a") as file:
        file.write("encryptionsalt: v1:mine\n")
    write_project(source, folder)
    assert yaml.safe_load((folder / "Pulumi.dev.yaml").read_text())["encryptionsalt"] == "v1:mine"


def test_a_salt_of_the_checkout_is_not_copied(source):
    (source / "Pulumi.dev.yaml").write_text(STACK + "encryptionsalt: v1:theirs\n")
    folder = write_project(source, source / "demo")
    assert "theirs" not in (folder / "Pulumi.dev.yaml").read_text()


@example(r"\d \g<1> it's")
@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1))
def test_any_model_name_ends_up_in_the_file_as_it_was_given(tmp_path_factory, model):
    file = tmp_path_factory.mktemp("stack") / "Pulumi.dev.yaml"
    file.write_text(STACK)
    choose_model(file, model)
    config = yaml.safe_load(file.read_text())["config"]
    assert config == {"aws:region": "us-east-1", "seekstack:model": model, "seekstack:port": 8000}


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  seekstack:model: 1.5B\n",
        'config:\n  "seekstack:model": 1.5B\n',
        "config:\n  'seekstack:model':   \"1.5B\"  # small\n",
        "config:\n  model: 1.5B\n",
        "config:\n  seekstack:config:model: 1.5B\n",
        "config: {seekstack:model: 1.5B, seekstack:port: 8000}\n",
        "config: {model: '1.5B'}\n",
        "config:\n  model:\n    1.5B\n",
        "# model: 1.5B\nconfig:\n  aws:region: é\n  model: >-\n    1.5B\n  port: 1\n",
    ],
)
def test_the_model_is_set_however_its_line_is_written_and_the_rest_is_kept(tmp_path, text):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text, encoding="utf-8")
    choose_model(file, "7B")
    before, after = (yaml.safe_load(found)["config"] for found in (text, file.read_text(encoding="utf-8")))
    assert after == {key: "7B" if key.endswith("model") else value for key, value in before.items()}
    assert ("# small" in text) == ("# small" in file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "text",
    [
        "config:\n  aws:region: us-east-1\n",
        "x: &m 1.5B\nconfig:\n  model: *m\n",
        "x: &b {model: 1.5B}\nconfig:\n  <<: *b\n",
        "config:\n  model: 1.5B\n  seekstack:model: 1.5B\n",
        "config:\n  model: [1.5B]\n",
        "",
    ],
    ids=["missing", "alias", "merge", "twice", "list", "empty"],
)
def test_a_model_that_cannot_be_set_is_an_error_and_the_file_stays(tmp_path, text):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_text(text)
    with pytest.raises(ToolError) as caught:
        choose_model(file, "7B")
    assert caught.value.code == "SKS0795"
    assert file.read_text() == text
