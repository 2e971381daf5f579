"""Fetching the weights over the network: hand-computed types, and what no number may turn around."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sizing.explain import explain
from infra.sizing.staging import Limit, instance_store_seconds, network_of, network_of_host, stage
from infra.sizing.step import Range
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan

TEN_GB = 10 * 10**9
"""9,536.74 MiB."""
MIB_PER_GBIT = 119.2093


@pytest.mark.parametrize(
    ("name", "gateway", "sustained", "burst"),
    [
        ("g4dn.xlarge", 5, 5, 25),  # 4 vCPUs: the gateway's 5 Gbit/s are all that it sustains anyway
        ("g6e.xlarge", 2.5, 2.5, 20),
        ("g6e.4xlarge", 5, 20, 20),  # 16 vCPUs: 5 of 20
        ("g6e.12xlarge", 50, 100, 100),  # 48 vCPUs: half
        ("p5.48xlarge", 50, 100, 100),  # 32 cards of 100: plain TCP has one of them
    ],
)
def test_the_network_is_what_one_card_sustains_and_bursts_are_hoped_for_only(
    name: str, gateway: float, sustained: float, burst: float
) -> None:
    found = network_of(CATALOG.instance(name))
    gbit = [round(value / MIB_PER_GBIT, 3) for value in (found.low, found.expected, found.high)]
    assert gbit == [gateway, sustained, burst]


@pytest.mark.parametrize(
    ("text", "gbit"),
    [("Up to 20 Gigabit", 2.5), ("25 Gigabit", 25), ("3200 Gigabit", 100), ("4x 100 Gigabit", 100), ("High", 5)],
)
def test_without_a_baseline_the_name_gives_a_careful_one(text: str, gbit: float) -> None:
    instance = replace(CATALOG.instance("g6e.xlarge"), network=text, network_gbit_baseline=None)
    assert network_of(instance).expected == pytest.approx(gbit * MIB_PER_GBIT, rel=1e-4)


def test_g4dn_xlarge_waits_for_its_volume() -> None:
    """3.55 GB, 950 Mbit/s to EBS (113.25 MiB/s, below gp3's 125): 3,389 MiB / 113.25; at most a tenth of gp3 less."""
    found = make_plan("1.5B", instance_type="g4dn.xlarge").staging
    assert found.limited_by is Limit.VOLUME
    assert found.volume_mib_per_second == pytest.approx(113.249, abs=0.001)
    assert found.network_seconds.expected == pytest.approx(3389.0 / 113.249, rel=1e-3)
    assert found.network_seconds.high == pytest.approx(found.network_seconds.expected / 0.9)
    assert found.network_seconds.low == found.network_seconds.expected


def test_g6e_xlarge_waits_for_its_network_where_the_volume_is_fast() -> None:
    """10 GB at 2.5 Gbit/s: 32 s. In a burst of 20 Gbit/s the volume of 2,000 MiB/s decides: 4.77 s."""
    found = stage(TEN_GB, 2000, network_of(CATALOG.instance("g6e.xlarge")))
    assert found.limited_by is Limit.NETWORK
    assert found.network_seconds.expected == pytest.approx(32.0, rel=1e-4)
    assert found.network_seconds.low == pytest.approx(9536.743 / 2000)
    assert found.network_seconds.high == found.network_seconds.expected  # 40 MB/s x 8 would be 31.25 s


def test_p5_48xlarge_waits_for_the_source() -> None:
    """688.6 GB by 8 connections of 85 MB/s: 1,012.6 s; of 40 MB/s: 2,151.8 s; many: the volume's 2,000 MiB/s, 328 s."""
    found = make_plan("R1", instance_type="p5en.48xlarge").staging
    same = stage(688_590_631_731, 2000, network_of(CATALOG.instance("p5.48xlarge")))
    assert (found.limited_by, same.limited_by) == (Limit.SOURCE, Limit.SOURCE)
    assert same.network_seconds.expected == pytest.approx(1012.6, rel=1e-3)
    assert same.network_seconds.high == pytest.approx(2151.8, rel=1e-3)
    assert same.network_seconds.low == pytest.approx(328.3, rel=1e-3)
    assert found.network_seconds == same.network_seconds


def test_a_host_has_the_network_its_inventory_states() -> None:
    hosts = (make_host("a", network_gbit=1.0), make_host("b", network_gbit=None))
    slow = make_plan("7B", hosts=hosts[:1]).staging
    assert slow.network == network_of_host(1.0)
    assert slow.limited_by is Limit.NETWORK
    open_link = make_plan("7B", hosts=hosts[1:])
    assert open_link.staging.network is None
    assert open_link.staging.limited_by is Limit.VOLUME
    assert any("slowest of network not stated, volume 125 MiB/s" in line for line in explain(open_link))


def test_of_several_hosts_the_slowest_link_counts() -> None:
    hosts = (make_host("a", "T4", 1, network_gbit=10.0), make_host("b", "T4", 1, network_gbit=0.5))
    plan = make_plan("7B", hosts=hosts, nodes=2, quantization="fp16", context_tokens=2048, pipeline_parallel=2)
    assert plan.staging.network == network_of_host(0.5)


@pytest.mark.parametrize(
    ("size_gb", "seconds"),
    [
        (125, 40.0),  # g4dn.xlarge: 250 MB/s
        (250, 20.0),  # g6e.xlarge: 500 MB/s
        (1900, 5.0),  # one device: 2,000 MB/s
        (30_400, 0.625),  # p5.48xlarge, eight devices: 16,000 MB/s
    ],
)
def test_an_instance_store_reads_by_its_size_up_to_its_devices(size_gb: int, seconds: float) -> None:
    found = instance_store_seconds(TEN_GB, size_gb)
    assert found == Range(seconds / 2, seconds, seconds * 2)


def test_an_instance_store_counts_only_where_it_holds_the_weights() -> None:
    assert make_plan("1.5B", instance_type="g4dn.xlarge").staging.instance_store_seconds is not None
    assert stage(100 * 10**9, 500, None, 125, 1.25).instance_store_seconds is not None
    assert stage(100 * 10**9, 500, None, 124, 1.25).instance_store_seconds is None
    assert make_plan("7B", gpu="L4").to_json()["staging"]["instance_store_seconds"] is None  # type: ignore[index]


def test_the_arithmetic_is_shown() -> None:
    lines = explain(make_plan("1.5B", instance_type="g4dn.xlarge"))
    fetch = next(line for line in lines if line.startswith("fetching once"))
    assert "network 596 MiB/s (596 through a gateway, 2,980 in a burst)" in fetch
    assert "source 648 MiB/s (8 connections x 85 MB/s)" in fetch
    assert "2,980 in a burst), volume" in fetch
    assert " is the volume: " in fetch
    assert any(line.startswith("reading from the instance store instead") for line in lines)


SIZES = st.integers(1, 10**13)
SPEEDS = st.floats(1, 20_000)
LINKS = st.none() | st.sampled_from([network_of(instance) for instance in CATALOG.instances])


@given(SIZES, SIZES, SPEEDS, LINKS)
def test_more_bytes_are_never_faster(one: int, other: int, volume: float, network: Range | None) -> None:
    fewer, more = (stage(size, volume, network, 250) for size in sorted((one, other)))
    for name in ("low", "expected", "high"):
        assert getattr(fewer.network_seconds, name) <= getattr(more.network_seconds, name)


@given(SIZES, SPEEDS, SPEEDS, LINKS)
def test_a_faster_volume_is_never_slower_and_low_to_high_are_in_order(
    size: int, one: float, other: float, network: Range | None
) -> None:
    slow, fast = (stage(size, speed, network).network_seconds for speed in sorted((one, other)))
    assert fast.expected <= slow.expected
    assert slow.low <= slow.expected <= slow.high
