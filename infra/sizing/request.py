"""What a person asks the sizing for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from infra.catalog.markets import Market
from infra.errors import ConfigurationError, raise_all
from infra.sizing.cache_support import taken_by
from infra.sizing.engine import SERVING, Family
from infra.sizing.hosts import Host
from infra.sizing.objective import Objective

__all__ = ["DEFAULT_ENGINE_VERSION", "PlanRequest"]

DEFAULT_ENGINE_VERSION = "0.33.0"
"""Newest vLLM on PyPI on 2026-11-24 (wheel metadata: torch 2.14, CUDA 13.0, driver branch 580 or later)."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A model and a workload, and what is already decided about the hardware and the software on it."""

    model: str
    quantization: str | None = None
    """Catalogue name; None takes the published one, or on fixed hardware the best that fits."""
    context_tokens: int = 8192
    concurrency: int = 1
    """Requests of full `context_tokens` length that must fit in the cache at the same time."""
    instance_type: str | None = None
    gpu: str | None = None
    """GPU of a node one owns (Kubernetes); excludes `instance_type`."""
    gpus: int | None = None
    """GPUs of that node; None allows up to 8 and takes the fewest that fit."""
    hosts: tuple[Host, ...] = ()
    """Machines one owns, of which some are to be taken; excludes the three above."""
    nodes: int = 1
    """Machines that may be used together."""
    tensor_parallel: int | None = None
    """None takes every GPU of an EC2 instance and the fewest of an owned node."""
    pipeline_parallel: int | None = None
    """None makes one stage of each machine."""
    data_parallel: int | None = None
    """Copies of the model in one server; None takes as few as serve the requests, and one of a mixture of experts."""
    kv_cache_dtype: str = "auto"
    """Format of the KV cache: a name of `CacheDtype`, or an engine's own for it."""
    utilization: float | None = None
    """vLLM's `--gpu-memory-utilization`, SGLang's `--mem-fraction-static`; None takes the engine's own default."""
    load_target_seconds: int = 300
    """How long reading the weights from the volume may take."""
    region: str | None = None
    """AWS region; None leaves offerings out of the choice."""
    objective: Objective = Objective.COST
    market: Market = Market.ON_DEMAND
    """How EC2 machines are bought: the choice goes by the prices of that market."""
    max_usd_per_hour: float | None = None
    """Of all machines together."""
    families: tuple[str, ...] = ()
    """EC2 families to choose from, as `g6`; none allows all."""
    quota_vcpus: int | None = None
    """vCPUs the account may run at once: what AWS counts the quota of an instance family in."""
    max_ttft_seconds: float | None = None
    """Longest expected time to the first token of a prompt of `context_tokens`."""
    engine: Family = Family.VLLM
    engine_version: str | None = None
    """None takes the newest known (`DEFAULT_ENGINE_VERSION`), or the newest that goes with the three below."""
    driver: str | None = None
    cuda: str | None = None
    python: str | None = None

    @property
    def names_machine(self) -> bool:
        """Whether the hardware is given rather than chosen from the catalogue."""
        return bool(self.instance_type or self.gpu or self.hosts)

    @property
    def names_software(self) -> bool:
        """Whether something is given that the matrix of releases has to agree with."""
        return bool(self.engine_version or self.driver or self.cuda or self.python)

    def folded(self) -> PlanRequest:
        """With the region in AWS's own case, as prices and offers are looked up by it."""
        return replace(self, region=self.region.casefold()) if self.region else self

    def is_blank(self, field: str) -> bool:
        """Whether that field was given as text without a letter."""
        text: str | None = getattr(self, field)
        return text is not None and not text.strip()

    def check(self) -> None:
        """Refuse values no hardware can satisfy, all at once."""
        raise_all(list(self.mistakes()))

    def mistakes(self) -> Iterator[ConfigurationError]:
        """Values no hardware can satisfy; the bounds are those of the engine and of EBS."""
        ranges: tuple[tuple[str, float | None, float, float], ...] = (
            ("contextTokens", self.context_tokens, 16, 2**20),
            ("concurrency", self.concurrency, 1, 4096),
            ("gpus", self.gpus, 1, 16),
            ("nodes", self.nodes, 1, 64),
            ("tensorParallel", self.tensor_parallel, 1, 64),
            ("pipelineParallel", self.pipeline_parallel, 1, 64),
            ("dataParallel", self.data_parallel, 1, 64),
            ("gpuMemoryUtilization", self.utilization, 0.5, 0.99),
            ("loadTargetSeconds", self.load_target_seconds, 10, 86400),
            ("maxUsdPerHour", self.max_usd_per_hour, 0.01, 100_000),
            ("quotaVcpus", self.quota_vcpus, 1, 1_000_000),
            ("maxTtftSeconds", self.max_ttft_seconds, 0.001, 3600),
        )
        for key, value, low, high in ranges:
            if value is not None and not low <= value <= high:
                yield _wrong(key, value, f"{low} to {high}")
        yield from (_blank(key, getattr(self, field)) for field, key in NAMES.items() if self.is_blank(field))
        if self.objective not in list(Objective):
            yield _wrong("objective", self.objective, ", ".join(Objective))
        if self.market not in list(Market):
            yield _wrong("market", self.market, ", ".join(Market))
        if self.engine not in SERVING:
            yield _wrong("engine", str(self.engine), ", ".join(SERVING))
        for key, given, why, allowed in self._beyond_the_engine():
            message, fix = f"{key}: {given} is not usable: llama.cpp {why}", f"leave out {key}, or use --engine vllm"
            yield ConfigurationError(message, code="SKS0205", key=key, value=given, allowed=allowed, fix=fix)
        else:
            yield from self._cache_mistakes()
        yield from (_wrong(key, given, ONLY_ONE[key]) for key, given in self._contradictions())
        yield from (_not_owned(key, given) for key, given in self._beside_owned())

    def _cache_mistakes(self) -> Iterator[ConfigurationError]:
        try:
            taken_by(self.kv_cache_dtype, self.engine)
        except ConfigurationError as error:
            yield error

    def _beyond_the_engine(self) -> Iterator[tuple[str, object, str, str]]:
        """What llama.cpp has no setting for. It splits a model by whole layers over the GPUs of one machine."""
        if self.engine is not Family.LLAMA_CPP:
            return
        if self.nodes > 1:
            yield "nodes", self.nodes, "serves from one machine", "1"
        if (self.tensor_parallel or 1) > 1:
            why = "is planned with whole layers on each GPU, which pipelineParallel counts"
            yield "tensorParallel", self.tensor_parallel, why, "1"
        if (self.data_parallel or 1) > 1:
            yield "dataParallel", self.data_parallel, "has no copies: each is a server of its own", "1"
        if self.utilization is not None:
            yield "gpuMemoryUtilization", self.utilization, "takes what model and context need", "nothing"

    def _contradictions(self) -> Iterator[tuple[str, object]]:
        if self.hosts and (self.instance_type or self.gpu or self.gpus):
            yield "inventory", self.instance_type or self.gpu or self.gpus
        if self.instance_type and (self.gpu or self.gpus):
            yield "gpu", self.gpu or self.gpus
        if self.gpus and not self.gpu:
            yield "gpus", self.gpus

    def _beside_owned(self) -> Iterator[tuple[str, object]]:
        """What is a matter of EC2 alone, where machines one owns are given."""
        if not (self.gpu or self.hosts):
            return
        if self.market != Market.ON_DEMAND:
            yield "market", str(self.market)
        if self.families:
            yield "families", ", ".join(self.families)
        if self.max_usd_per_hour is not None:
            yield "maxUsdPerHour", self.max_usd_per_hour
        if self.quota_vcpus is not None:
            yield "quotaVcpus", self.quota_vcpus
        if self.region:
            yield "region", self.region


ONLY_ONE = {
    "inventory": "either an inventory, or an instance type or GPU",
    "gpu": "either an instance type, or the GPU and GPU count of a node",
    "gpus": "a GPU count together with the name of the GPU",
}
NAMES = {
    "quantization": "quantization", "instance_type": "instanceType", "gpu": "gpu", "region": "region",
    "engine_version": "engineVersion", "driver": "driver", "cuda": "cuda", "python": "python",
}  # fmt: skip
"""Fields that are text or nothing, by the key a person knows. Blank text is neither: an unset variable of a shell."""


def _wrong(key: str, value: object, allowed: str) -> ConfigurationError:
    fix = f"set {key} to {allowed}" if allowed[0].isdigit() else f"give {allowed}"
    return ConfigurationError(
        f"{key}: {value!r} is not usable", code="SKS0205", key=key, value=value, allowed=allowed, fix=fix
    )


def _blank(key: str, value: object) -> ConfigurationError:
    message, allowed = f"{key}: {value!r} is blank (an unset variable of the shell?)", f"a value for {key}, or none"
    return ConfigurationError(
        message, code="SKS0205", key=key, value=value, allowed=allowed, fix=f"give {key} a value, or leave it out"
    )


def _not_owned(key: str, value: object) -> ConfigurationError:
    message, allowed = f"{key}: {value} is for EC2 types, not for machines you own", f"no {key} beside gpu or inventory"
    fix = f"leave out {key}, or the machines you own"
    return ConfigurationError(message, code="SKS0205", key=key, value=value, allowed=allowed, fix=fix)
