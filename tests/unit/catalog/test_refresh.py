"""The refresh without AWS: what is compared, what is kept, and files that a rewrite leaves byte for byte."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError, NoCredentialsError

from infra.catalog import refresh_write
from infra.catalog.load import shipped
from infra.catalog.refresh import Answers, Row, clients, compare, fetch, merge
from infra.catalog.refresh_rules import LEFT_OUT, OVERRIDES, accelerator, gpu_name, memory_agrees
from infra.errors import ResourceError, ToolError

TODAY = "2026-12-01"
FILES = ("instances.yaml", "cpu_instances.yaml")
GPUS = shipped().gpus


class Client:
    """Answers each call with the pages it was made with."""

    def __init__(self, **pages: Any) -> None:
        self.pages = pages
        self.asked: dict[str, Any] = {}

    def get_paginator(self, call: str) -> Any:
        self.call = call
        return self

    def paginate(self, **options: Any) -> Iterator[Any]:
        self.asked[self.call] = options
        answer = self.pages[self.call]
        if isinstance(answer, Exception):
            raise answer
        return iter(answer)


def described(name: str, *, gpu: str = "L4", count: int = 1, mib: int = 22888, **over: Any) -> dict[str, Any]:
    """One type as DescribeInstanceTypes answers it."""
    device = {"Name": gpu, "Count": count, "MemoryInfo": {"SizeInMiB": mib}, "LogicalGpuCount": max(count, 1)}
    return {
        "InstanceType": name,
        "VCpuInfo": {"DefaultVCpus": 4, "DefaultCores": 2},
        "MemoryInfo": {"SizeInMiB": 16384},
        "ProcessorInfo": {"SupportedArchitectures": ["i386", "x86_64"], "Manufacturer": "AMD"},
        "NetworkInfo": {"NetworkPerformance": "Up to 10 Gigabit", "EfaSupported": False},
        "EbsInfo": {"EbsOptimizedInfo": {"BaselineBandwidthInMbps": 1000}},
        "GpuInfo": {"Gpus": [device]},
        **over,
    }


def ec2(*answers: dict[str, Any], offered: tuple[str, ...] | None = None) -> Client:
    names = [answer["InstanceType"] for answer in answers] if offered is None else offered
    return Client(
        describe_instance_types=[{"InstanceTypes": [answer]} for answer in answers],  # a page each
        describe_instance_type_offerings=[{"InstanceTypeOfferings": [{"InstanceType": name}]} for name in names],
    )


def product(name: str, usd: str, unit: str = "Hrs") -> str:
    dimension = {"unit": unit, "pricePerUnit": {"USD": usd}}
    terms = {"OnDemand": {"a": {"priceDimensions": {"b": dimension}}}}
    return json.dumps({"product": {"attributes": {"instanceType": name}}, "terms": terms})


def row(name: str, **over: Any) -> Row:
    facts = {"type": name, "family": name.split(".")[0], "gpu": "L4", "gpus": 1, "vcpus": 4, "memory_gib": 16}
    facts |= {"cpu": "x86_64", "network": "Up to 10 Gigabit", "ebs_mbit_per_second": 1000}
    return {**facts, "source": "moto", "date": "2026-11-24", **over}


def answers(**over: Any) -> Answers:
    given = {"region": "us-east-1", "accelerated": (), "cpu": (), "offered": frozenset({"g6.xlarge"}), "prices": None}
    return Answers(**{**given, "notes": (), **over})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FILES)
def test_writing_what_was_read_changes_no_byte(name: str) -> None:
    path = refresh_write.table_path(name, writable=True)
    table = refresh_write.read_table(path)
    assert refresh_write.write_table(table) == path.read_text(encoding="utf-8")
    assert refresh_write.sorted_rows(table.rows) == list(table.rows)


def test_new_sources_get_a_name_each_and_read_back_the_same(tmp_path: Path) -> None:
    rows = (
        row("g6.xlarge"),
        row("g6.2xlarge", source="AWS: today", usd_per_hour=1.5, price_date=TODAY, network="10: G"),
    )
    path = tmp_path / "x.yaml"
    path.write_text(refresh_write.write_table(refresh_write.Table("# c\n", "eu-west-1", rows)), encoding="utf-8")
    assert refresh_write.read_table(path) == refresh_write.Table("# c\n", "eu-west-1", rows)
    assert path.read_text(encoding="utf-8").count("AWS: today") == 1


def test_markets_and_their_prices_read_back_the_same(tmp_path: Path) -> None:
    prices = {"spot_usd_per_hour": 0.4, "spot_price_date": TODAY}
    prices |= {"capacity_block_usd_per_hour": 2.0, "capacity_block_price_date": TODAY}
    rows = (row("g6.xlarge", markets=["on-demand", "capacity-block"], **prices),)
    path = tmp_path / "x.yaml"
    path.write_text(refresh_write.write_table(refresh_write.Table("# c\n", "eu-west-1", rows)), encoding="utf-8")
    assert refresh_write.read_table(path).rows == rows


@pytest.mark.parametrize(
    ("classes", "markets"),
    [
        (["spot", "on-demand"], None),
        (["on-demand"], ["on-demand"]),
        (["capacity-block", "on-demand", "spot", "of tomorrow"], ["on-demand", "spot", "capacity-block"]),
    ],
)
def test_markets_are_written_where_they_are_not_the_usual_two(classes: list[str], markets: list[str] | None) -> None:
    found = fetch(ec2(described("g6.xlarge", SupportedUsageClasses=classes)), None, "us-east-1", GPUS)
    assert found.accelerated[0].get("markets") == markets


def test_new_types_stand_with_their_family_by_size() -> None:
    rows = [
        row("g6.xlarge"),
        row("g5.xlarge"),
        row("zz.large"),
        row("g6.48xlarge", vcpus=192),
        row("g6.2xlarge", vcpus=8),
    ]
    names = [one["type"] for one in refresh_write.sorted_rows(rows)]
    assert names == ["g6.xlarge", "g6.2xlarge", "g6.48xlarge", "g5.xlarge", "zz.large"]


def test_reads_every_page_and_asks_for_plain_linux_prices() -> None:
    pricing = Client(
        get_products=[{"PriceList": [product("g6.xlarge", "0.8")]}, {"PriceList": [product("c8g.xlarge", "0.16")]}]
    )
    asked = ec2(described("g6.xlarge"), described("c8g.xlarge", GpuInfo={}), described("t3.micro", GpuInfo={}))
    found = fetch(asked, pricing, "eu-west-1", GPUS)
    assert [one["type"] for one in found.accelerated] == ["g6.xlarge"]
    assert [one["type"] for one in found.cpu] == ["c8g.xlarge"]
    assert found.prices == {"g6.xlarge": 0.8, "c8g.xlarge": 0.16}
    filters = {one["Field"]: one["Value"] for one in pricing.asked["get_products"]["Filters"]}
    assert (filters["regionCode"], filters["operatingSystem"], filters["tenancy"]) == ("eu-west-1", "Linux", "Shared")


@pytest.mark.parametrize("text", [product("g6.xlarge", "0.0000000000"), product("g6.xlarge", "5", "Quantity"), "{}"])
def test_a_price_of_nothing_or_by_another_unit_is_none(text: str) -> None:
    found = fetch(ec2(described("g6.xlarge")), Client(get_products=[{"PriceList": [text]}]), "us-east-1", GPUS)
    assert found.prices is None
    assert "the pricing service has none" in found.notes[0]


def refusal(call: str) -> ClientError:
    return ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, call)


def test_without_the_pricing_service_old_prices_stay_with_their_dates() -> None:
    found = fetch(ec2(described("g6.xlarge")), Client(get_products=refusal("GetProducts")), "us-east-1", GPUS)
    assert "AccessDenied" in found.notes[0]
    old = row("g6.xlarge", usd_per_hour=0.8, price_date="2026-01-21")
    merged = merge([old], found.accelerated, found, TODAY, same_region=True)
    assert (merged[0]["usd_per_hour"], merged[0]["price_date"], merged[0]["date"]) == (0.8, "2026-01-21", TODAY)
    elsewhere = merge([old], found.accelerated, found, TODAY, same_region=False)
    assert "usd_per_hour" not in elsewhere[0]  # a price of another region would be a wrong one


@pytest.mark.parametrize("problem", [refusal("DescribeInstanceTypes"), NoCredentialsError()])
def test_a_refusal_of_aws_names_the_call_and_the_rights(problem: Exception) -> None:
    with pytest.raises(ResourceError, match="DescribeInstanceTypes was refused") as caught:
        fetch(Client(describe_instance_types=problem), None, "us-east-1", GPUS)
    assert (caught.value.code, caught.value.exit_code) == ("SKS0222", 4)
    assert "pricing:GetProducts" in (caught.value.allowed or "")


def test_an_incomplete_answer_is_refused() -> None:
    with pytest.raises(ResourceError, match="DefaultVCpus"):
        fetch(ec2(described("g6.xlarge", VCpuInfo={})), None, "us-east-1", GPUS)


def test_an_unknown_accelerator_is_told_and_left_out() -> None:
    found = fetch(ec2(described("p9.48xlarge", gpu="R300", mib=500_000)), None, "us-east-1", GPUS)
    assert found.accelerated == ()
    assert found.notes[0] == "p9: R300 (500,000 MiB) is not in gpus.yaml, so its types are left out"


def test_another_memory_than_the_gpu_has_is_told() -> None:
    found = fetch(ec2(described("g6.xlarge", mib=32768)), None, "us-east-1", GPUS)
    assert found.notes[0] == "g6: L4 has 32,768 MiB, and gpus.yaml says 24 GB"


@pytest.mark.parametrize("family", sorted(LEFT_OUT))
def test_families_without_an_engine_are_left_out_silently(family: str) -> None:
    found = fetch(ec2(described(f"{family}.xlarge")), None, "us-east-1", GPUS)
    assert (found.accelerated, found.notes) == ((), ("prices are the old ones: --no-prices",))


@pytest.mark.parametrize(("gbit", "held"), [(2.5, 2.5), (100.0, 100), (None, None)])
def test_the_network_baseline_is_that_of_the_first_card(gbit: float | None, held: float | None) -> None:
    cards = [{"NetworkCardIndex": 1, "BaselineBandwidthInGbps": 400.0}, {"NetworkCardIndex": 0}]
    if gbit:
        cards[1]["BaselineBandwidthInGbps"] = gbit
    network = {"NetworkPerformance": "800 Gigabit", "DefaultNetworkCardIndex": 0, "NetworkCards": cards}
    found = fetch(ec2(described("g6.xlarge", NetworkInfo=network)), None, "us-east-1", GPUS).accelerated[0]
    assert found.get("network_gbit_baseline") == held
    assert isinstance(found.get("network_gbit_baseline"), int) == (gbit == 100.0)


def test_a_fraction_of_a_gpu_is_no_whole_one() -> None:
    device = {
        "Name": "L4",
        "Count": 0,
        "GpuPartitionSize": 0.125,
        "LogicalGpuCount": 1,
        "MemoryInfo": {"SizeInMiB": 2861},
    }
    found = fetch(ec2(described("g6f.large", GpuInfo={"Gpus": [device]})), None, "us-east-1", GPUS)
    assert (found.accelerated[0]["gpus"], found.accelerated[0]["partition"]) == (0, 0.125)
    assert found.notes == ("prices are the old ones: --no-prices",)


def test_the_memory_of_trainium2_is_overridden_with_a_reason() -> None:
    answer = described("trn2.3xlarge", GpuInfo={}, NeuronInfo={"NeuronDevices": [
        {"Name": "Trainium2", "Count": 1, "MemoryInfo": {"SizeInMiB": 524288}}]})  # fmt: skip
    found = accelerator(answer)
    assert found is not None
    assert (gpu_name(found), found.memory_mib) == ("Trainium2", 98304)
    assert memory_agrees(found, next(gpu for gpu in GPUS if gpu.name == "Trainium2"))
    assert all(len(rule.reason) > 20 for rule in OVERRIDES)


def test_says_what_was_added_removed_changed_and_what_costs_otherwise() -> None:
    shipped_rows = [
        row("g6.xlarge", usd_per_hour=0.8, price_date="2026-01-21"),
        row("g6.2xlarge", usd_per_hour=1.0, price_date="2026-01-21"),
        row("p5e.48xlarge", offered=False),
    ]
    found = (row("g6.xlarge", vcpus=8, efa=True), row("g6.4xlarge"))
    said = answers(prices={"g6.xlarge": 0.9}, offered=frozenset({"g6.xlarge", "g6.4xlarge"}))
    merged = merge(shipped_rows, found, said, TODAY, same_region=True)
    differences = compare(shipped_rows, merged)
    assert differences.added == ("g6.4xlarge",)
    assert differences.removed == ("g6.2xlarge",)
    assert [(one.field, one.shipped, one.found) for one in differences.changed] == [
        ("vcpus", 4, 8),
        ("efa", None, True),
    ]
    assert [(one.shipped, one.found) for one in differences.prices] == [(0.8, 0.9)]


def test_a_type_that_is_not_answered_keeps_its_facts_source_and_date() -> None:
    old = row("p5e.48xlarge", offered=False)
    assert merge([old], (), answers(), TODAY, same_region=True) == [old]


def test_nothing_new_is_no_difference() -> None:
    old = row("g6.xlarge")
    merged = merge([old], (row("g6.xlarge"),), answers(), TODAY, same_region=True)
    assert not compare([old], merged)
    assert merged[0]["source"] != old["source"]


def test_without_boto3_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] in ("boto3", "botocore"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ToolError, match="boto3 is not installed") as caught:
        clients("us-east-1")
    assert (caught.value.code, caught.value.exit_code) == ("SKS0221", 1)


def test_a_region_that_is_no_name_is_refused() -> None:
    with pytest.raises(ResourceError) as caught:
        clients("no region")
    assert caught.value.code == "SKS0222"


def test_an_installed_package_is_read_but_not_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "site-packages" / "infra" / "catalog"
    package.mkdir(parents=True)
    monkeypatch.setattr(refresh_write, "__file__", str(package / "refresh_write.py"))
    assert refresh_write.table_path("instances.yaml", writable=False) == package / "instances.yaml"
    with pytest.raises(ToolError, match="not a checkout") as caught:
        refresh_write.table_path("instances.yaml", writable=True)
    assert caught.value.code == "SKS0223"


@pytest.mark.parametrize("name", FILES)
def test_every_line_of_the_tables_is_one_type(name: str) -> None:
    path = refresh_write.table_path(name, writable=False)
    rows = yaml.safe_load(path.read_text(encoding="utf-8"))["instances"]
    assert sum(line.startswith("  - {type: ") for line in path.read_text(encoding="utf-8").splitlines()) == len(rows)
