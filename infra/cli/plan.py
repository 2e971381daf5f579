"""`seekstack plan`: from a model and a workload to hardware, with the reasons."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from infra.cli.output import add_json_flag, write_json
from infra.cli.plan_tables import show, show_training
from infra.digits import read_number, read_whole

if TYPE_CHECKING:
    from infra.catalog.facts import Catalog
    from infra.errors import ConfigurationError
    from infra.sizing.result import Plan
    from infra.sizing.training_plan import TrainingOutcome

__all__ = ["add_parser", "show"]

T = TypeVar("T")

FIELDS = (
    "model", "quantization", "kv_cache_dtype", "context_tokens", "concurrency", "instance_type", "gpu", "gpus", "nodes",
    "tensor_parallel", "pipeline_parallel", "data_parallel", "utilization", "load_target_seconds", "region",
    "objective", "market", "max_usd_per_hour", "families", "quota_vcpus", "max_ttft_seconds", "engine",
    "engine_version", "driver", "cuda", "python",
)  # fmt: skip
"""Flags that are fields of PlanRequest, which has the defaults."""
FORMATS = "bf16, fp16, fp8, int8, awq, gptq, or a kind of GGUF such as q4_k_m; default: as published, if it fits"
TRAINING_FIELDS = ("rank", "sequence_tokens", "micro_batch", "zero_stage", "offload", "bits")


def add_parser(subparsers: Any) -> None:
    """Register the command. Defaults are left to PlanRequest, so that they stand in one place."""
    text = "which hardware a model needs, what it costs, and why (no cloud, no account)"
    parser = subparsers.add_parser("plan", help=text, description=text, allow_abbrev=False)
    parser.add_argument("--model", required=True, help="label, repository or short name: see `seekstack models`")
    parser.add_argument("--quantization", help=FORMATS)
    parser.add_argument("--kv-cache-dtype", metavar="KIND", help="format of the KV cache: auto, fp8, bf16 ... (auto)")
    parser.add_argument(
        "--context", type=_whole, dest="context_tokens", metavar="TOKENS", help="longest request (8192)"
    )
    parser.add_argument("--concurrency", type=_whole, metavar="N", help="full-length requests at the same time (1)")
    parser.add_argument(
        "--workload", choices=("serve", "train", "lora", "qlora"), default="serve", help="what the model is for (serve)"
    )
    _add_hardware(parser.add_argument_group("hardware"))
    _add_limits(parser.add_argument_group("choice"))
    _add_software(parser.add_argument_group("software: what is given must go together, and the rest follows"))
    _add_training(parser.add_argument_group("training"))
    parser.add_argument("--explain", action="store_true", help="show the arithmetic and every rejected candidate")
    add_json_flag(parser)
    parser.set_defaults(run=run)


def _add_hardware(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--instance", dest="instance_type", metavar="TYPE", help="a fixed EC2 type; llama.cpp needs no GPU"
    )
    group.add_argument("--gpu", metavar="NAME", help="GPU of a machine you own: see `seekstack gpus`")
    group.add_argument("--gpus", type=_whole, metavar="N", help="how many of them it has")
    group.add_argument("--inventory", type=_file, metavar="FILE", help="machines you own, as a YAML or JSON list")
    group.add_argument("--nodes", type=_whole, metavar="N", help="machines that may be used together (1)")
    group.add_argument("--tp", type=_whole, dest="tensor_parallel", metavar="N", help="GPUs that share each layer")
    group.add_argument("--pp", type=_whole, dest="pipeline_parallel", metavar="N", help="stages of layers")
    group.add_argument("--dp", type=_whole, dest="data_parallel", metavar="N", help="copies of the model (the fewest)")
    group.add_argument("--utilization", type=_number, metavar="0.92", help="part of GPU memory vLLM or SGLang may take")
    group.add_argument("--load-target-seconds", type=_whole, metavar="S", help="time to read the weights (300)")
    group.add_argument("--region", metavar="NAME", help="AWS region")


def _add_limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--objective", choices=("cost", "latency", "throughput"), help="what the best is (cost)")
    group.add_argument(
        "--market", choices=("on-demand", "spot", "capacity-block"), help="how EC2 machines are bought (on-demand)"
    )
    group.add_argument("--max-usd-per-hour", type=_number, metavar="USD", help="for all machines together")
    group.add_argument("--families", type=_names, metavar="A,B", help="EC2 families to choose from, such as g6,g6e")
    group.add_argument("--quota-vcpus", type=_whole, metavar="N", help="vCPUs your EC2 quota allows")
    group.add_argument("--max-ttft-seconds", type=_number, metavar="S", help="time to the first token, as expected")


def _add_software(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--engine", choices=("vllm", "sglang", "llama.cpp"), help="what serves the model (vllm)")
    group.add_argument("--engine-version", metavar="VERSION", help="its release (the newest that goes with the rest)")
    group.add_argument("--driver", metavar="VERSION", help="NVIDIA driver of the machine, or its branch")
    group.add_argument("--cuda", metavar="VERSION", help="CUDA of the wheels, such as 12.8 or cu128")
    group.add_argument("--python", metavar="VERSION", help="Python the engine runs on")


def _add_training(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--rank", type=_whole, metavar="R", help="of LoRA adapters (8)")
    group.add_argument(
        "--sequence", type=_whole, dest="sequence_tokens", metavar="TOKENS", help="tokens of a text (1024)"
    )
    group.add_argument("--micro-batch", type=_whole, metavar="N", help="texts a GPU works on at a time (1)")
    group.add_argument("--bits", type=_whole, choices=(8, 4, 2), help="of the frozen weights under QLoRA (4)")
    group.add_argument(
        "--zero",
        type=_whole,
        dest="zero_stage",
        choices=(0, 1, 2, 3),
        help="ZeRO stage (the lowest of 0, 2, 3 that fits)",
    )
    group.add_argument(
        "--offload", choices=("none", "optimizer", "parameters_and_optimizer"), help="to host memory (none)"
    )


def _whole(text: str) -> int:
    return _read(read_whole, text)


def _number(text: str) -> float:
    return _read(read_number, text)


def _read(reader: Callable[[str], T], text: str) -> T:
    """The number, or the reader's own words in argparse's error."""
    try:
        return reader(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _file(text: str) -> Path:
    if not text.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is blank (an unset variable of the shell?); name a file")
    return Path(text)


def _names(text: str) -> tuple[str, ...]:
    """The names of a list; of a blank one the blank itself, which is no family and is refused as such."""
    return tuple(name.strip().lower() for name in text.split(",") if name.strip()) or ("",)


def run(options: argparse.Namespace) -> int:
    """Plan and show it; a refusal is an error with exit code 2, in JSON with `fits: false`."""
    from infra.catalog.load import load
    from infra.sizing.refused import PlanRefusal

    try:
        outcome = _outcome(options, load())
    except PlanRefusal as refusal:
        if not options.json:
            raise
        write_json(refusal.document())
        return refusal.exit_code
    if options.json:
        write_json(outcome.to_json())
    elif options.workload == "serve":
        show(outcome, explained=options.explain)  # type: ignore[arg-type]
    else:
        show_training(outcome, explained=options.explain)  # type: ignore[arg-type]
    return 0


def _outcome(options: argparse.Namespace, catalog: Catalog) -> Plan | TrainingOutcome:
    from infra.catalog.markets import Market
    from infra.errors import ConfigurationErrors, raise_all
    from infra.inventory import read_inventory
    from infra.sizing.engine import Family
    from infra.sizing.objective import Objective
    from infra.sizing.plan import PlanRequest, plan
    from infra.sizing.request_check import mistakes_of, serving_mistakes
    from infra.sizing.training_plan import plan_training

    given = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    written = {name for name in given if (name, given[name]) != ("objective", "cost")}  # training goes by cost too
    given["objective"] = Objective(given.get("objective", Objective.COST))
    given["engine"] = Family(given.get("engine", Family.VLLM))
    given["market"] = Market(given.get("market", Market.ON_DEMAND))
    training = {name: value for name in TRAINING_FIELDS if (value := getattr(options, name)) is not None}
    serves = options.workload == "serve"
    beside = _training_flags(training) if serves else []
    try:
        hosts = read_inventory(options.inventory, catalog) if options.inventory else ()
    except ConfigurationErrors as found:
        rest = (serving_mistakes if serves else mistakes_of)(PlanRequest(**given), catalog)
        raise ConfigurationErrors([*found.errors, *rest, *beside]) from None
    request = PlanRequest(**given, hosts=hosts)
    if serves:
        if beside:
            raise_all([*serving_mistakes(request, catalog), *beside])
        return plan(request, catalog)
    return plan_training(options.workload, training, request, catalog, given=written)


def _training_flags(given: dict[str, Any]) -> list[ConfigurationError]:
    """Flags of training, which serving has no use for."""
    from infra.errors import ConfigurationError

    if not given:
        return []
    return [
        ConfigurationError(
            f"{', '.join(given)}: serving takes none",
            code="SKS0205",
            key=next(iter(given)),
            allowed="with --workload train, lora or qlora",
            fix="add --workload, or leave it out",
        )
    ]
