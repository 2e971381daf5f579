"""The outcome of sizing, with every number it rests on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from infra.catalog.facts import Architecture, GpuFacts, InstanceFacts, ModelFacts
from infra.catalog.markets import Market, MarketPrice
from infra.sizing import cost
from infra.sizing.launch import Launch
from infra.sizing.staging import Staging
from infra.sizing.step import Range, Step
from infra.sizing.weights import Share
from infra.units import to_gib

__all__ = ["Alternative", "Budget", "Busiest", "HostShare", "Plan", "Price", "Rejected", "Software", "Speed", "Volume"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that cannot serve the request, and why."""

    candidate: str
    """Instance type, or the GPUs of a node one owns."""
    code: str
    """One of `infra.sizing.refusal.Reason`."""
    message: str
    quantization: str


@dataclass(frozen=True, slots=True)
class Budget:
    """Memory of one GPU in bytes; the parts never exceed `usable_bytes`."""

    usable_bytes: int
    weights_bytes: int
    non_torch_bytes: int
    activation_bytes: int
    cuda_graphs_bytes: int
    kv_cache_bytes: int


@dataclass(frozen=True, slots=True)
class Volume:
    """gp3 volume that holds the weights."""

    size_gib: int
    iops: int
    throughput_mib_per_second: int


@dataclass(frozen=True, slots=True)
class HostShare:
    """One stage of one copy of the model on a host of the inventory; both count from 0."""

    host: str
    copy: int
    stage: int
    gpus: int


@dataclass(frozen=True, slots=True)
class Busiest:
    """Estimate for as many users as the cache holds and the engine schedules: what throughput compares as objective."""

    users: int
    total: Range
    """Tokens a second of all users together."""
    ms_per_token: Range

    def to_json(self) -> dict[str, object]:
        """The rate as low, expected and high."""
        return {"users": self.users, "tokens_per_second": self.total.to_json()}


@dataclass(frozen=True, slots=True)
class Speed:
    """Estimates for `users` at the same time, each with `context_tokens` behind it, where a token is slowest."""

    users: int
    context_tokens: int
    per_user: Range
    """Tokens a second."""
    total: Range
    """Tokens a second of all users together."""
    ms_per_token: Range
    first_token_seconds: Range | None
    """For a prompt that fills the context and waits for nobody; None where the GPU's TFLOPS are not known."""
    step: Step
    """What a token takes, in its parts."""
    busiest: Busiest

    def to_json(self) -> dict[str, object]:
        """Each range as low, expected and high."""
        return {
            "kind": "estimate",
            "users": self.users,
            "context_tokens": self.context_tokens,
            "tokens_per_second_per_user": self.per_user.to_json(),
            "tokens_per_second": self.total.to_json(),
            "ms_per_token": self.ms_per_token.to_json(),
            "first_token_seconds": self.first_token_seconds.to_json() if self.first_token_seconds else None,
            "busiest": self.busiest.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another instance type that serves the request."""

    instance_type: str
    """Or the names of hosts of an inventory."""
    gpu: str | None
    """None for a type without accelerator."""
    tensor_parallel: int
    kv_tokens: int
    usd_per_hour: float | None
    """Of all `nodes`."""
    nodes: int = 1
    gpus: int = 1
    """In use on each of `nodes`; 0 where there is none."""
    estimate: Callable[[], Speed | None] = field(default=lambda: None, repr=False, compare=False)
    """Asked when the speed is shown: a plan has up to 60 alternatives, and most are made for their first machine."""

    @property
    def speed(self) -> Speed | None:
        """As for the choice; None for a training run."""
        return self.estimate()

    def to_json(self) -> dict[str, object]:
        """With speed and price of a million tokens in the form of the choice."""
        speed = self.speed
        return {
            "instance_type": self.instance_type,
            "gpu": self.gpu,
            "tensor_parallel": self.tensor_parallel,
            "kv_tokens": self.kv_tokens,
            "usd_per_hour": self.usd_per_hour,
            "nodes": self.nodes,
            "gpus": self.gpus,
            "speed": speed.to_json() if speed else None,
            "usd_per_million_tokens": _low_and_high(self.usd_per_million_tokens(speed)),
        }

    def usd_per_million_tokens(self, speed: Speed | None) -> Range | None:
        """US dollars for a million written tokens, busy all the time."""
        return cost.usd_per_million_tokens(self.usd_per_hour, speed.total) if speed else None


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for all machines of the plan in its market; None where the catalogue has no price in it."""

    usd_per_hour: float | None
    usd_per_month: float | None
    """730 hours, which spot rarely and a capacity block never runs through."""
    usd_per_million_tokens: Range | None
    """With the machines busy all the time with the users of the speed; None where the speed is not known."""
    date: str | None
    region: str
    kind: Market = Market.ON_DEMAND
    markets: tuple[MarketPrice, ...] = ()
    """One a market that EC2 sells the type in, for all machines too."""

    def to_json(self) -> dict[str, object]:
        """Dollars for a million tokens as low and high."""
        return {
            "usd_per_hour": _rounded(self.usd_per_hour, 6),
            "usd_per_month": _rounded(self.usd_per_month, 2),
            "usd_per_million_tokens": _low_and_high(self.usd_per_million_tokens),
            "kind": str(self.kind),
            "date": self.date,
            "region": self.region,
            "markets": [
                {"kind": str(one.market), "usd_per_hour": _rounded(one.usd_per_hour, 6), "date": one.date}
                for one in self.markets
            ],
        }


@dataclass(frozen=True, slots=True)
class Software:
    """What goes together with the engine; the driver is the part a person installs."""

    torch: str | None
    """None, here and below: the engine has none, or it is not known of this release."""
    cuda: str | None
    python: str | None
    min_driver: str | None
    """Oldest that runs this CUDA on this GPU as made for it."""
    driver: str | None
    """The one that was given, else the recommended one."""
    driver_branch: str | None
    """Recommended today."""
    driver_branch_end_of_life: str | None
    arithmetic: tuple[str, ...]
    """How each follows, a line each."""

    def to_json(self) -> dict[str, str | None]:
        """Without the lines."""
        return {name: value for name, value in asdict(self).items() if name != "arithmetic"}


@dataclass(frozen=True, slots=True)
class Plan:
    """One model on one kind of hardware: what to create and how to start the engine."""

    model: ModelFacts
    requested_model: str
    quantization: str
    dtype: str
    gpu: GpuFacts
    """Or the processor, where llama.cpp runs without one; `gpus` is then 0."""
    gpus: int
    """GPUs used on each node."""
    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    nodes: int
    instance: InstanceFacts | None
    """None for a node one owns."""
    weights_bytes: int
    """Size of the checkpoint on disk."""
    weights_shares: tuple[Share, ...]
    """What the weights of one GPU are made of."""
    budget: Budget
    kv_cache_dtype: str
    """Format in effect: what `auto` stands for."""
    batch_tokens: int | None
    """Tokens of one step that a compressed cache (V4) was sized with; None where they take no cache."""
    kv_bytes_per_token: int
    """On one GPU; of a compressed cache (V4) the slope alone."""
    kv_tokens: int
    """Tokens the cache of one copy of the model holds, whole blocks. Of a compressed cache what the engine prints as
    `GPU KV cache size`: requests of `context_tokens` that fit, times that length."""
    max_context: int
    """Longest single request: the smaller of the cache and the model's positions."""
    context_tokens: int
    concurrency: int
    utilization: float | None
    """None for an engine that takes no part of the memory, but what it needs."""
    volume: Volume
    load_seconds: int
    load: Range
    """Seconds to read the weights; `load_seconds` is its low end, the volume's own speed."""
    staging: Staging
    """Fetching the weights over the network, before any of that."""
    startup_budget_seconds: int
    host_memory_bytes: int
    """Host memory of the engine processes: limit of the pod."""
    shared_memory_bytes: int
    cpu_millicores: int
    usd_per_hour: float | None
    """Of all nodes."""
    price_date: str | None
    price: Price | None
    speed: Speed | None
    objective: str
    engine: str
    engine_version: str
    software: Software
    engine_arguments: tuple[str, ...]
    """The engine's flags; host and port are the caller's."""
    warnings: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    rejected: tuple[Rejected, ...]
    placement: tuple[HostShare, ...] = ()
    """On which hosts of an inventory."""
    launch: Launch | None = None
    """What each node runs; None for a single one, which takes `engine_arguments`."""

    @property
    def expert_parallel(self) -> int:
        """GPUs that the experts of a layer are spread over, beside the cut through each expert."""
        shares = self.model.architecture is Architecture.MOE and self.data_parallel > 1
        return self.tensor_parallel * self.data_parallel if shares else 1

    @property
    def where(self) -> str:
        """`2 x p5.48xlarge`, for messages."""
        names = ", ".join(dict.fromkeys(share.host for share in self.placement))
        if names:
            return names
        name = self.instance.instance_type if self.instance else f"{self.gpus} x {self.gpu.name}"
        return f"{self.nodes} x {name}" if self.nodes > 1 else name

    def to_json(self) -> dict[str, object]:
        """The published shape of `seekstack plan --json`; memory in GiB, two decimals."""
        budget, launch = self.budget, self.launch
        return {
            "fits": True,
            "reasons": [],
            "workload": "serve",
            "model": {"id": self.model.id, "label": self.model.label, "requested": self.requested_model},
            "quantization": self.quantization,
            "dtype": self.dtype,
            "gpu": self.gpu.name if self.gpus else None,
            "per_gpu": {
                "usable_gib": _gib(budget.usable_bytes),
                "weights_gib": _gib(budget.weights_bytes),
                "non_torch_gib": _gib(budget.non_torch_bytes),
                "activation_gib": _gib(budget.activation_bytes),
                "cuda_graphs_gib": _gib(budget.cuda_graphs_bytes),
                "kv_cache_gib": _gib(budget.kv_cache_bytes),
            },
            "kv_cache_dtype": str(self.kv_cache_dtype),
            "kv_bytes_per_token": self.kv_bytes_per_token,
            "kv_tokens": self.kv_tokens,
            "max_context": self.max_context,
            "context_tokens": self.context_tokens,
            "concurrency": self.concurrency,
            "utilization": self.utilization,
            "parallel": {
                "tp": self.tensor_parallel,
                "pp": self.pipeline_parallel,
                "dp": self.data_parallel,
                "ep": self.expert_parallel,
            },
            "instance": self.instance.instance_type if self.instance else None,
            "nodes": self.nodes,
            "placement": [asdict(share) for share in self.placement],
            "objective": self.objective,
            "weights_bytes": self.weights_bytes,
            "volume": asdict(self.volume),
            "load_seconds": self.load_seconds,
            "load": self.load.to_json(),
            "staging": self.staging.to_json(),
            "startup_seconds": self.startup_budget_seconds,
            "host_ram_gib": _gib(self.host_memory_bytes),
            "cpu_millicores": self.cpu_millicores,
            "speed": self.speed.to_json() if self.speed else None,
            "price": self.price.to_json() if self.price else None,
            "engine": {
                "name": self.engine,
                "version": self.engine_version,
                "arguments": list(self.engine_arguments),
                "launch_method": launch and launch.method,
                "launch": [node.to_json() for node in launch.nodes] if launch else [],
                "ports": [port.to_json() for port in launch.ports] if launch else [],
            },
            "software": self.software.to_json(),
            "alternatives": [alternative.to_json() for alternative in self.alternatives],
            "rejected": [asdict(rejected) for rejected in self.rejected],
            "warnings": list(self.warnings),
        }


def _low_and_high(values: Range | None) -> dict[str, float] | None:
    """Dollars follow from a speed, of which no value is more expected than the range says."""
    found = values.to_json() if values else None
    return found and {"low": found["low"], "high": found["high"]}


def _rounded(usd: float | None, digits: int) -> float | None:
    return None if usd is None else round(usd, digits)


def _gib(value_bytes: int) -> float:
    return round(to_gib(value_bytes), 2)
