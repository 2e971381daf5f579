"""User data: whatever the arguments hold, the machine gets exactly that, within EC2's limit."""

from __future__ import annotations

import gzip
import random

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from node.render import render
from node.spec import NodeError
from node.user_data import MAX_BYTES, cloud_config, compress, render_checked, user_data
from tests.node_factories import VARIANTS, make_spec

ODD_WORDS = st.text(
    st.one_of(
        st.sampled_from("'\"%$`\\{}[]()#&|;<>*?~! \t:,-=\x85\u2028\ufeff"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=20,
).filter(lambda word: not set(word) & {"\n", "\r", "\0"})


def files_in(data: bytes) -> dict[str, str]:
    """What cloud-init would write."""
    body = yaml.safe_load(gzip.decompress(data))
    return {file["path"]: file["content"] for file in body["write_files"]}


@pytest.mark.parametrize("variant", VARIANTS)
def test_holds_every_file_as_it_was_rendered(variant: str) -> None:
    spec = VARIANTS[variant]
    assert files_in(user_data(spec)) == {file.path: file.text for file in render(spec)}


@pytest.mark.parametrize("variant", VARIANTS)
def test_is_within_ec2s_limit_with_room_for_arguments(variant: str) -> None:
    assert len(user_data(VARIANTS[variant])) < MAX_BYTES * 3 // 4


def test_is_the_same_each_time_without_a_time_in_it() -> None:
    data = user_data(make_spec())
    assert data == user_data(make_spec())
    assert data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"


@settings(max_examples=50, deadline=None)
@given(words=st.lists(ODD_WORDS, max_size=8))
def test_arguments_arrive_as_they_are(words: list[str]) -> None:
    files = render(make_spec(engine_arguments=tuple(words)))
    text = files_in(compress(cloud_config(files)))["/etc/seekstack/engine.args"]
    assert text.split("\n")[:-1] == ["vllm", "serve", *words]


def test_too_much_is_refused_with_both_numbers() -> None:
    noise = "".join(random.Random(1).choices("0123456789abcdef", k=20_000))
    with pytest.raises(NodeError, match="16,384") as refused:
        user_data(make_spec(engine_arguments=("--port=8000", f"--chat-template={noise}")))
    assert refused.value.code == "SKS0543"


def test_starts_staging_and_timers_and_holds_the_driver() -> None:
    commands = yaml.safe_load(cloud_config(render(make_spec())))["runcmd"]
    assert commands[-1] == [
        *("systemctl", "enable", "--now", "--no-block", "seekstack-stage.service"),
        *("seekstack-restart.timer", "seekstack-watchdog.timer"),
    ]
    assert ["/usr/local/lib/seekstack/hold-drivers.sh"] in commands


def test_a_machine_without_restarts_enables_only_the_watchdog() -> None:
    commands = yaml.safe_load(cloud_config(render(make_spec(restart_period_hours=None))))["runcmd"]
    assert [word for word in commands[-1] if word.endswith(".timer")] == ["seekstack-watchdog.timer"]


def test_a_broken_rule_is_an_error_with_its_code() -> None:
    with pytest.raises(NodeError, match="looks like a secret") as refused:
        render_checked(make_spec(engine_arguments=("--port=8000", "--api-key=abc")))
    assert refused.value.code == "SKS0547"
