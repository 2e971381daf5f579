"""kill -9 of engine, program or plugin, at any moment: the next run completes and nothing is left over.

A few moments here, drawn anew in each run; benchmarks/bench_kills.py does many.
"""

import random

import pytest

from tests.support_kill import VICTIMS, orphans, run_and_kill
from tests.support_sandbox import sandbox_at

LATEST_SECONDS = 5.0
"""Later than that, `up` of the dev stack has usually ended."""


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    with sandbox_at(tmp_path_factory.mktemp("killed")) as running:
        yield running


@pytest.mark.parametrize("victim", VICTIMS)
def test_up_and_destroy_after_a_kill_of_each_complete_without_orphans(sandbox, victim):
    stack = sandbox.stack("dev")
    after = random.uniform(0.5, LATEST_SECONDS)
    run_and_kill(stack, "up", victim, after)
    stack.initialise()
    stack.up()
    assert orphans(stack, sandbox.endpoint) == {}, f"killed after {after:.3f} s"
    assert stack.preview().changes == ()

    if victim != "program":  # destroy runs none
        after = random.uniform(0.3, LATEST_SECONDS / 2)
        run_and_kill(stack, "destroy", victim, after)
        stack.initialise()
    stack.destroy()
    assert stack.resources() == []
    assert sandbox.existing() == {}, f"killed after {after:.3f} s"


@pytest.mark.parametrize("victim", VICTIMS)
def test_destroy_after_a_kill_during_up_leaves_nothing(sandbox, victim):
    stack = sandbox.stack("dev")
    after = random.uniform(0.5, LATEST_SECONDS)
    run_and_kill(stack, "up", victim, after)
    stack.initialise()
    stack.destroy()
    assert sandbox.existing() == {}, f"killed after {after:.3f} s"
