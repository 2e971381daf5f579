"""Machines one owns: where the stages go, and why the other hosts do not serve."""

from __future__ import annotations

from infra.sizing.refusal import Reason
from infra.sizing.result import HostShare
from infra.units import gib
from tests.unit.sizing.support_plan import make_host, make_plan, refusal


def test_takes_the_smallest_host_that_serves_and_lists_the_others() -> None:
    hosts = (make_host("big", gpus=8), make_host("small", gpus=4), make_host("tiny", gpus=1))
    outcome = make_plan("32B", hosts=hosts)
    assert outcome.placement == (HostShare("small", 0, 0, 2),)
    assert [one.instance_type for one in outcome.alternatives] == ["big"]
    assert [(one.candidate, one.code) for one in outcome.rejected] == [("tiny", "weights")]
    assert (outcome.instance, outcome.price) == (None, None)


def test_each_host_is_ruled_out_by_its_own_cause() -> None:
    hosts = (
        make_host("a"),
        make_host("driver", driver="535.154.02"),
        make_host("disk", disk_bytes=gib(30)),
        make_host("memory", host_memory_bytes=gib(8)),
        make_host("kernel", gpu="Trainium1", driver=None),
    )
    rejected = {one.candidate: one.code for one in make_plan("14B", hosts=hosts).rejected}
    assert rejected == {"driver": "driver", "disk": "disk", "memory": "host_ram", "kernel": "kernel"}


def test_two_hosts_hold_a_stage_each_and_the_slower_link_is_named() -> None:
    hosts = (make_host("a", network_gbit=25.0), make_host("b"), make_host("c", gpu="T4", gpus=1))
    outcome = make_plan("70B", hosts=hosts, nodes=2, context_tokens=65536, concurrency=6)
    assert outcome.placement == (HostShare("a", 0, 0, 4), HostShare("b", 0, 1, 4))
    assert (outcome.nodes, outcome.pipeline_parallel) == (2, 2)
    assert any("the weakest link is a with 25 Gbit/s, below" in note for note in outcome.warnings)
    assert [one.candidate for one in outcome.rejected] == ["c"]


def test_copies_are_spread_over_hosts() -> None:
    hosts = (make_host("a", gpus=2), make_host("b", gpus=2))
    outcome = make_plan("32B", hosts=hosts, nodes=2, data_parallel=2, tensor_parallel=2)
    assert [(one.host, one.copy) for one in outcome.placement] == [("a", 0), ("b", 1)]


def test_what_is_not_stated_is_not_checked() -> None:
    host = make_host(host_memory_bytes=None, disk_bytes=None, driver=None, network_gbit=None)
    assert make_plan("32B", hosts=(host,)).placement


def test_an_old_driver_takes_an_engine_that_runs_on_it() -> None:
    outcome = make_plan("32B", hosts=(make_host(driver="550.54.14"),))
    assert outcome.engine_version == "0.18.0"
    assert outcome.software.driver == "550.54.14"


def test_an_inventory_that_is_too_small_names_the_cause_of_its_largest_host() -> None:
    error = refusal("R1", hosts=(make_host("a"), make_host("b", gpu="T4", gpus=1)))
    assert error.reason is Reason.WEIGHTS
    assert {one.candidate for one in error.rejected} == {"a", "b"}
    assert error.fix
