"""Renews instance facts and prices from AWS, and says what differs from the shipped snapshot.

Reads ec2:DescribeInstanceTypes, ec2:DescribeInstanceTypeOfferings and pricing:GetProducts; nothing is created. The
pricing service answers in three regions only, for all regions. Clients are arguments; `clients` makes boto3's. Prices
of other markets than on demand: refresh_markets.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from infra.catalog.facts import GpuFacts
from infra.catalog.markets import FIELDS, USUAL, Market
from infra.catalog.refresh_rules import CPU_FAMILIES, CPU_SIZES, LEFT_OUT, accelerator, gpu_name, memory_agrees
from infra.errors import ResourceError, ToolError

__all__ = ["Answers", "Change", "Differences", "Row", "clients", "compare", "fetch", "markets_of", "merge"]

Row = dict[str, Any]

PRICING_REGION = "us-east-1"
SOURCE = (
    "EC2 DescribeInstanceTypes and DescribeInstanceTypeOfferings in {region}; price: AWS Pricing API GetProducts, "
    "EC2 DescribeSpotPriceHistory and DescribeCapacityBlockOfferings"
)
PRICE_FILTERS = {
    "operatingSystem": "Linux",
    "tenancy": "Shared",
    "preInstalledSw": "NA",
    "capacitystatus": "Used",
    "licenseModel": "No License required",
}
"""On demand, nothing but Linux on it: one product a type."""
HOUR = "Hrs"
PRICE = "usd_per_hour"
PRICES = dict(FIELDS.values())
"""Fields with a price, and the field with its date."""
MARKS = ("source", "date", *PRICES.values())
"""Where a row comes from, not what it says."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What AWS said of one region."""

    region: str
    accelerated: tuple[Row, ...]
    cpu: tuple[Row, ...]
    offered: frozenset[str]
    prices: Mapping[str, float] | None
    """USD an hour; None where the pricing service did not answer."""
    notes: tuple[str, ...]
    spot_prices: Mapping[str, float] | None = None
    capacity_block_prices: Mapping[str, float] | None = None

    def prices_by_field(self) -> dict[str, Mapping[str, float] | None]:
        """Under the names of `PRICES`."""
        return dict(zip(PRICES, (self.prices, self.spot_prices, self.capacity_block_prices), strict=True))


@dataclass(frozen=True, slots=True)
class Change:
    """One field that AWS answers otherwise than the snapshot."""

    instance_type: str
    field: str
    shipped: object
    found: object


@dataclass(frozen=True, slots=True)
class Differences:
    """The snapshot against the answers."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    """No longer offered in the region. Their rows stay, marked so: other regions may have them."""
    changed: tuple[Change, ...]
    prices: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.prices)


def clients(region: str) -> tuple[Any, Any]:
    """EC2 in `region`, and the pricing service; credentials and endpoints as boto3 finds them."""
    try:
        import boto3
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise ToolError(
            "boto3 is not installed, and the refresh asks AWS through it",
            code="SKS0221",
            allowed="a Python with boto3 1.44 or later",
            fix="make setup, or: pip install boto3",
        ) from None
    try:
        return boto3.client("ec2", region_name=region), boto3.client("pricing", region_name=PRICING_REGION)
    except BotoCoreError as error:
        raise _refused("a client", error) from None


def fetch(ec2: Any, pricing: Any | None, region: str, gpus: Sequence[GpuFacts]) -> Answers:
    """Every type with an accelerator of `gpus`, the listed ones without, and prices where the service answers."""
    types = _pages("DescribeInstanceTypes", lambda: ec2.get_paginator("describe_instance_types").paginate())
    answers = [answer for page in types for answer in page.get("InstanceTypes", ())]
    offers = _pages(
        "DescribeInstanceTypeOfferings",
        lambda: ec2.get_paginator("describe_instance_type_offerings").paginate(LocationType="region"),
    )
    offered = frozenset(offer["InstanceType"] for page in offers for offer in page.get("InstanceTypeOfferings", ()))
    try:
        notes = [note for answer in answers for note in _remarks(answer, gpus)]
        rows = tuple(row for answer in answers if (row := accelerated_row(answer)))
        processors = tuple(cpu_row(answer) for answer in answers if _is_listed(answer["InstanceType"]))
    except (KeyError, TypeError, IndexError) as error:
        raise _refused("DescribeInstanceTypes", ValueError(f"an answer lacks what is needed: {error!r}")) from None
    prices, problem = _prices(pricing, region) if pricing else (None, "prices are the old ones: --no-prices")
    shown = [*dict.fromkeys(notes), *([problem] if problem else [])]
    return Answers(region, rows, processors, offered, prices, tuple(shown))


def _is_listed(name: str) -> bool:
    family, _, size = name.partition(".")
    return family in CPU_FAMILIES and size in CPU_SIZES


def _remarks(answer: Mapping[str, Any], gpus: Sequence[GpuFacts]) -> Iterator[str]:
    """Devices that a person has to look at: unknown ones, and those whose memory is not the one we hold."""
    found = accelerator(answer)
    family = answer["InstanceType"].split(".")[0]
    if found is None or family in LEFT_OUT:
        return
    gpu = next((gpu for gpu in gpus if gpu.name == gpu_name(found)), None)
    if gpu is None:
        yield f"{family}: {found.name} ({found.memory_mib:,} MiB) is not in gpus.yaml, so its types are left out"
    elif not memory_agrees(found, gpu):
        yield f"{family}: {found.name} has {found.memory_mib:,} MiB, and gpus.yaml says {gpu.nominal_gb} GB"


def accelerated_row(answer: Mapping[str, Any]) -> Row | None:
    """One answer as a row of instances.yaml; None where it has no accelerator, or one that is left out."""
    found = accelerator(answer)
    family = answer["InstanceType"].split(".")[0]
    name = gpu_name(found) if found else None
    if found is None or name is None or family in LEFT_OUT:
        return None
    row = {"type": answer["InstanceType"], "family": family, "gpu": name, "gpus": found.count}
    if not found.count:
        row["partition"] = found.partition
    row |= {"vcpus": answer["VCpuInfo"]["DefaultVCpus"], "memory_gib": _gib(answer)}
    row["cpu"] = _architecture(answer)
    if disks := answer.get("InstanceStorageInfo", {}).get("TotalSizeInGB"):
        row["nvme_gb"] = disks
    row["network"] = answer["NetworkInfo"]["NetworkPerformance"]
    if baseline := _network_baseline(answer):
        row["network_gbit_baseline"] = baseline
    if answer["NetworkInfo"].get("EfaSupported"):
        row["efa"] = True
    row["ebs_mbit_per_second"] = _ebs(answer)
    markets = [str(market) for market in Market if market in answer.get("SupportedUsageClasses", USUAL)]
    return row if markets == list(USUAL) else row | {"markets": markets}


def markets_of(row: Row) -> Sequence[str]:
    """How EC2 sells the type of a row."""
    markets: Sequence[str] = row.get("markets", USUAL)
    return markets


def cpu_row(answer: Mapping[str, Any]) -> Row:
    """One answer as a row of cpu_instances.yaml."""
    return {
        "type": answer["InstanceType"],
        "family": answer["InstanceType"].split(".")[0],
        "vcpus": answer["VCpuInfo"]["DefaultVCpus"],
        "cores": answer["VCpuInfo"]["DefaultCores"],
        "memory_gib": _gib(answer),
        "cpu": _architecture(answer),
        "vendor": answer["ProcessorInfo"]["Manufacturer"],
        "network": answer["NetworkInfo"]["NetworkPerformance"],
        "ebs_mbit_per_second": _ebs(answer),
    }


def _gib(answer: Mapping[str, Any]) -> int | float:
    size = answer["MemoryInfo"]["SizeInMiB"] / 1024
    return int(size) if size.is_integer() else size


def _architecture(answer: Mapping[str, Any]) -> str:
    """Old types list i386 beside x86_64."""
    known = answer["ProcessorInfo"]["SupportedArchitectures"]
    return next((str(one) for one in ("x86_64", "arm64") if one in known), str(known[0]))


def _network_baseline(answer: Mapping[str, Any]) -> int | float | None:
    """Gbit/s that the first network card sustains; None where an older API does not say."""
    network = answer["NetworkInfo"]
    cards = {card["NetworkCardIndex"]: card for card in network.get("NetworkCards", ())}
    speed = cards.get(network.get("DefaultNetworkCardIndex", 0), {}).get("BaselineBandwidthInGbps")
    return int(speed) if speed is not None and float(speed).is_integer() else speed


def _ebs(answer: Mapping[str, Any]) -> int:
    speed: int = answer["EbsInfo"]["EbsOptimizedInfo"]["BaselineBandwidthInMbps"]
    return speed


def _prices(pricing: Any, region: str) -> tuple[Mapping[str, float] | None, str | None]:
    """USD an hour by type. A pricing service that does not answer leaves the old prices, with their dates."""
    wanted = {**PRICE_FILTERS, "regionCode": region}
    filters = [{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in wanted.items()]

    def ask() -> Iterable[Mapping[str, Any]]:
        paginator = pricing.get_paginator("get_products")
        pages: Iterable[Mapping[str, Any]] = paginator.paginate(ServiceCode="AmazonEC2", Filters=filters)
        return pages

    try:
        products = [json.loads(text) for page in _pages("GetProducts", ask) for text in page.get("PriceList", ())]
    except ResourceError as error:
        return None, f"prices are the old ones: {error.message}"
    found = {name: price for product in products for name, price in _hourly(product)}
    return (found, None) if found else (None, f"prices are the old ones: the pricing service has none for {region}")


def _hourly(product: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    name = product.get("product", {}).get("attributes", {}).get("instanceType")
    for term in product.get("terms", {}).get("OnDemand", {}).values():
        for dimension in term.get("priceDimensions", {}).values():
            price = float(dimension.get("pricePerUnit", {}).get("USD", 0))
            if name and dimension.get("unit") == HOUR and price > 0:
                yield name, price


def _pages(call: str, ask: Callable[[], Iterable[Mapping[str, Any]]]) -> list[Mapping[str, Any]]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return list(ask())
    except (BotoCoreError, ClientError) as error:
        raise _refused(call, error) from None


def _refused(call: str, error: Exception) -> ResourceError:
    return ResourceError(
        f"{call} was refused: {error}",
        code="SKS0222",
        value=call,
        allowed="ec2:DescribeInstanceTypes, ec2:DescribeInstanceTypeOfferings, pricing:GetProducts",
        fix="sign in (aws sts get-caller-identity says as whom), and name a region that the account may use (--region)",
    )


def merge(
    shipped: Sequence[Row], found: Sequence[Row], answers: Answers, today: str, *, same_region: bool
) -> list[Row]:
    """The rows as they should be: facts as answered, prices of today, what is not answered kept as it was."""
    known = {row["type"]: row for row in shipped}
    fresh = {row["type"]: row for row in found}
    merged = []
    for name in (*known, *(name for name in fresh if name not in known)):
        facts = fresh.get(name)
        row = dict(facts) if facts else {k: v for k, v in known[name].items() if k not in ("offered", *MARKS)}
        row = {field: value for field, value in row.items() if field not in PRICES}
        row |= _priced(name, known.get(name, {}), answers, today, same_region=same_region)
        if name not in answers.offered:
            row["offered"] = False
        source = SOURCE.format(region=answers.region)
        merged.append(row | ({"source": source, "date": today} if facts else _marks(known[name])))
    return merged


def _priced(name: str, before: Row, answers: Answers, today: str, *, same_region: bool) -> Row:
    """A price that AWS was not asked for, or did not answer, stays with its date; one of another region does not."""
    priced: Row = {}
    if name not in answers.offered:
        return priced
    for field, prices in answers.prices_by_field().items():
        date = PRICES[field]
        if prices is None and same_region:
            priced |= {key: before[key] for key in (field, date) if key in before}
        elif prices is not None and name in prices:
            priced |= {field: prices[name], date: today}
    return priced


def _marks(row: Row) -> Row:
    return {"source": row["source"], "date": row["date"]}


def compare(shipped: Sequence[Row], merged: Sequence[Row]) -> Differences:
    """What `merged` says otherwise, whatever its sources and dates."""
    before = {row["type"]: row for row in shipped}
    after = {row["type"]: row for row in merged}
    removed = [name for name, row in after.items() if name in before and _left(before[name], row)]
    changes = [change for name in after if name in before for change in _changes(name, before[name], after[name])]
    staying = [one for one in changes if one.instance_type not in removed or one.field not in ("offered", *PRICES)]
    return Differences(
        added=tuple(name for name in after if name not in before),
        removed=tuple(removed),
        changed=tuple(one for one in staying if one.field not in PRICES),
        prices=tuple(one for one in staying if one.field in PRICES),
    )


def _left(before: Row, after: Row) -> bool:
    return before.get("offered", True) and not after.get("offered", True)


def _changes(name: str, before: Row, after: Row) -> Iterator[Change]:
    for field in dict.fromkeys((*before, *after)):
        if field not in MARKS and before.get(field) != after.get(field):
            yield Change(name, field, before.get(field), after.get(field))
