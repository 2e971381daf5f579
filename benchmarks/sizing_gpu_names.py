"""The accelerator that a log names, by maker, board and size: `NVIDIA A100-SXM4-40GB` is the A100 of 40 GB.

A size that the catalogue does not have is no other size's row: taking the larger one says yes where the log said no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from benchmarks.sizing_table import Row, Skip
from infra.catalog.facts import Catalog, GpuFacts
from infra.units import gib, to_gib

__all__ = ["find_gpu", "stated_count"]

MAKERS = r"\b(?:NVIDIA|AMD|Intel|AWS|Huawei|Habana|GeForce|Tesla|Instinct|Quadro)\b"
EDITIONS = r"\b(?:Tensor Core|Generation|Blackwell|Server|Workstation|Max-?Q|Edition|GPUs?|Accelerators?)\b"
BOARDS = r"\b(?:HGX|DGX|SXM\d?|PCI-?e|OAM|NVL\d*|HBM\d?e?|GDDR\d[Xx]?)\b"
SIZE = re.compile(r"(?<![A-Za-z\d.])(\d{2,3})(?:\.\d+)?\s*G(?:i?B)?\b", re.IGNORECASE)
BARE_SIZE = re.compile(r"[- ](\d{2,3})$")
SLICE = re.compile(r"\bMIG\b|\b\d+g\.\d+gb|vGPU", re.IGNORECASE)
COUNT = re.compile(r"^(\d{1,3})\s*[x×*]\s*(?=[A-Z])|\s[x×*]\s?(\d{1,3})$", re.IGNORECASE)  # noqa: RUF001 as logs write it

SAME = {
    "a10": "A10G",
    "v100s": "V100",
    "rtx3090ti": "RTX3090",
    "rtx4090d": "RTX4090",
    "rtx5090d": "RTX5090",
    "h203e": "H20-141",
    "gh200480": "GH200-96",
    "b200192": "B200",
    "910b": "Ascend910B",
}
"""Names of cards that are another's in memory and compute capability (data sheets, from knowledge). The driver calls a
GH200 by its 480 GB of host memory; B200 was announced with 192 GB and sold with 180."""

SIZE_ROUNDING = 0.02
"""A name's size is the nominal or the usable one, rounded."""
TOTAL_ROUNDING = 0.10
"""Drivers and boards differ in what they keep: 14.56 GiB of 16 GB on a T4. A total further off is of another card."""


def stated_count(name: str) -> int | None:
    """How many the name itself says: `2x RTX 4090`, `H100 x8`."""
    found = COUNT.search(name.strip())
    return int(found[1] or found[2]) if found else None


USUAL_SIZES = {"h20": "H20-96"}
"""What a log means that names no size: the H20 of 141 GB came two years later."""


def find_gpu(row: Row, catalog: Catalog) -> GpuFacts | Skip:
    """The GPU by name and size, with the memory that the row's engine printed in place of ours."""
    if SLICE.search(row.gpu):
        return Skip(f"GPU {row.gpu} is a part of one")
    name = COUNT.sub("", re.sub(r"\(.*?\)", "", row.gpu).replace("_", " ").strip())
    stated = SIZE.search(name) or SIZE.search(row.gpu)
    name = SIZE.sub(" ", name)
    size = int(stated[1]) if stated else None
    for spelling, bare in _spellings(name):
        gpu = _of_size(spelling, size or bare, row, catalog)
        if gpu is not None:
            return gpu if isinstance(gpu, Skip) else _with_total(gpu, row)
    return Skip(f"GPU {row.gpu} is not known")


def _spellings(name: str) -> Iterator[tuple[str, int | None]]:
    """Without maker, then without edition and board; each as it is, then with a number at its end as the size."""
    plain = re.sub(MAKERS, " ", name, flags=re.IGNORECASE)
    short = re.sub(EDITIONS, " ", plain, flags=re.IGNORECASE)
    for text in dict.fromkeys((plain, short, re.sub(BOARDS, " ", short, flags=re.IGNORECASE))):
        trimmed = text.strip(" -_,")
        yield trimmed, None
        found = BARE_SIZE.search(trimmed)
        if found:
            yield trimmed[: found.start()], int(found[1])


def _key(text: str) -> str:
    return re.sub(r"[\s_-]+", "", text).casefold()


def _names(gpu: GpuFacts) -> tuple[str, ...]:
    return (gpu.name, *gpu.aliases)


def _of_size(spelling: str, size: int | None, row: Row, catalog: Catalog) -> GpuFacts | Skip | None:
    """None where nothing is called so; a `Skip` where something is, but not of that size."""
    name = _key(spelling) if _key(spelling) not in SAME else _key(SAME[_key(spelling)])
    sized = f"{name}{size or ''}"
    sized = _key(SAME.get(sized, sized))
    exact = next((gpu for gpu in catalog.gpus if sized in map(_key, _names(gpu))), None)
    family = [gpu for gpu in catalog.gpus if name in map(_family, _names(gpu))]
    if exact is not None and (size or row.total_gib is None):
        return exact
    if size is None:
        choices = [gpu for gpu in family if row.total_gib and _is_total_of(gpu, row.total_gib)]
        usual = [gpu for gpu in family if gpu.name == USUAL_SIZES.get(name)]
        largest = max(usual or family, key=lambda gpu: gpu.usable_bytes, default=None)
        return exact if exact in choices else next(iter(choices), exact or largest)
    if not family:
        return None
    fitting = [gpu for gpu in family if _is_size_of(gpu, size)]
    return fitting[0] if fitting else Skip(f"GPU {row.gpu}: the catalogue has no {spelling} of {size} GB")


def _family(name: str) -> str:
    """`A100-40`, `V100 16GB` → the name without the size."""
    return _key(re.sub(r"[- ]\d{2,3}(?: ?GB)?$", "", name))


def _is_size_of(gpu: GpuFacts, size_gb: float) -> bool:
    low, high = to_gib(gpu.usable_bytes) * (1 - SIZE_ROUNDING), gpu.nominal_gb * (1 + SIZE_ROUNDING)
    return low <= size_gb <= high


def _is_total_of(gpu: GpuFacts, total_gib: float) -> bool:
    return abs(gib(total_gib) - gpu.usable_bytes) <= TOTAL_ROUNDING * gpu.usable_bytes


def _with_total(gpu: GpuFacts, row: Row) -> GpuFacts | Skip:
    """With the total that was printed. A nominal size is not one; a larger total is another card's, or several cards'.

    A smaller one is believed: a slice or a card shared with others can only make the answer stricter.
    """
    total = row.total_gib
    if total is None or total == gpu.nominal_gb:
        return gpu
    if gib(total) > gpu.usable_bytes * (1 + TOTAL_ROUNDING):
        return Skip(f"GPU {row.gpu} has {to_gib(gpu.usable_bytes):.1f} GiB, and the row says {total:g}")
    return replace(gpu, usable_bytes=round(gib(total)))
