"""What a node can be told, and what is refused because no file could carry it as it is."""

from __future__ import annotations

from typing import Any

import pytest

from node.spec import NodeError, problems, validate
from tests.node_factories import VARIANTS, make_spec


@pytest.mark.parametrize("variant", VARIANTS)
def test_takes_each_variant(variant: str) -> None:
    assert validate(VARIANTS[variant]) is VARIANTS[variant]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("image", "vllm/vllm-openai:latest"),
        ("image", f"vllm/vllm-openai@sha256:{'1' * 63}"),
        ("stack", "dev stack"),
        ("stack", "dev\n"),
        ("region", "eu central"),
        ("snapshot", "../../etc"),
        ("snapshot", "a/../b"),
        ("snapshot", "/etc"),
        ("stager_uri", "https://example.com/stager.pyz"),
        ("stager_sha256", "A" * 64),
        ("weight_source", "hub:a b"),
        ("weight_revision", "main branch"),
        ("weight_device", "/dev/sdf; reboot"),
        ("local_disks", "/etc/*"),
        ("min_driver_version", "570.x"),
        ("api_key_secret_arn", "arn:$(reboot)"),
        ("log_group", 'group"'),
        ("lifecycle_hook", "hook"),
        ("port", 80),
        ("port", 65536),
        ("gpus", -1),
        ("startup_budget_seconds", 0),
        ("restart_period_hours", 0),
        ("restart_spread_minutes", -1),
        ("engine_command", ()),
        ("engine_command", ("",)),
        ("engine_command", ("vllm\nserve",)),
        ("engine_arguments", ("--a\n--b",)),
        ("engine_arguments", ("--a\r",)),
        ("engine_arguments", ("\0",)),
        ("engine_arguments", ("\ud800",)),
        ("shared_memory_bytes", 15 * 2**30),
    ],
)
def test_refuses_what_no_file_can_carry_and_names_the_field(key: str, value: Any) -> None:
    with pytest.raises(NodeError) as refused:
        validate(make_spec(**{key: value}))
    assert (refused.value.code, refused.value.key) == ("SKS0541", key)
    assert refused.value.fix


def test_finds_every_problem_of_one_spec() -> None:
    found = [error.key for error in problems(make_spec(image="x", port=1, engine_arguments=("\n",)))]
    assert found == ["image", "port", "engine_arguments"]


@pytest.mark.parametrize(("takes_turns", "lock"), [(True, "/seekstack/dev/restart-lock"), (False, None)])
def test_machines_of_one_stack_share_a_lock_and_one_alone_has_none(takes_turns: bool, lock: str | None) -> None:
    assert make_spec(takes_turns=takes_turns).restart_lock == lock
