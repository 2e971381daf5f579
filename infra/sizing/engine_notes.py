"""What to say of the format of the weights and of the engine beside a plan."""

from __future__ import annotations

from collections.abc import Iterator

from infra.sizing.choice import Choice
from infra.sizing.engine import TITLES, Family
from infra.sizing.fit import Fit
from infra.sizing.formats import is_gguf
from infra.sizing.machines import Machine
from infra.sizing.request import PlanRequest

__all__ = ["engine_notes", "format_notes", "host_note"]

FIRST_GGUF_PLUGIN = (0, 24, 0)
"""vLLM moved GGUF to vllm-gguf-plugin in 0.24 (its documentation; gpustack/runner 222)."""


def format_notes(request: PlanRequest, layout: Fit, machine: Machine) -> Iterator[str]:
    """What has to be staged where it is not what was published, and what it costs."""
    model, name, gpu = layout.model, layout.quantization.name, layout.gpu
    if name == "fp16" and model.native_dtype == "bf16" and request.engine is not Family.LLAMA_CPP:
        yield f"the bf16 weights are converted to float16 on load{_for_want_of_bf16(request, layout)}"
    elif name != model.native_dtype:
        ruled_out = f"{model.native_dtype} is ruled out on {machine.name}, so {name} was chosen; "
        chosen = ruled_out if request.quantization is None else ""
        label = layout.quantization.label
        yield f"{chosen}{model.label} is published in {model.native_dtype}: stage a checkpoint of it made in {label}"
    if name == "fp8" and gpu.compute_capability is not None and gpu.compute_capability < (8, 9):
        yield f"{gpu.name} has no fp8 arithmetic: fp8 saves memory (Marlin kernels), not time"


def _for_want_of_bf16(request: PlanRequest, layout: Fit) -> str:
    return "" if request.quantization else f": {layout.gpu.name} has no bf16"


def host_note(request: PlanRequest, machine: Machine) -> str | None:
    """On a machine of arm64 that one owns; EC2's types of that sort are refused (`check_machine`). vLLM offered images
    for x86_64 alone in August 2025 (issue 22206) and wheels for arm64 in later releases (issue 30065, of 0.11 and
    0.12); for which GPUs those are compiled was not found."""
    if machine.instance or machine.gpu.host_architecture == "x86_64" or request.engine is Family.LLAMA_CPP:
        return None
    name, arch = machine.gpu.name, machine.gpu.host_architecture
    return (
        f"{name} is built into {arch} machines: take an image of {TITLES[request.engine]} for {arch}, or build one; "
        f"whether the published one has kernels for {name} is not known here"
    )


def engine_notes(choice: Choice) -> Iterator[str]:
    """How far the engine can be trusted with the plan, and what a person has to do for it."""
    best = choice.best
    stored, engine = best.fit.quantization, best.engine
    if is_gguf(stored) and engine.family is Family.VLLM:
        plugin = "; it needs vllm-gguf-plugin" if engine.version >= FIRST_GGUF_PLUGIN else ""
        doubt = "" if not best.fit.model.kv_lora_rank else "; with latent attention its output was reported as garbled"
        yield f"GGUF is experimental and slow in vLLM{plugin}, and the tokenizer of the original model{doubt}"
    if is_gguf(stored) and engine.family is Family.SGLANG:
        yield "SGLang loads GGUF of one file; merge the parts of a split one, and stage the original tokenizer"
    if engine.family is Family.LLAMA_CPP:
        if not is_gguf(stored):
            yield "llama.cpp loads GGUF: convert the published weights with its convert_hf_to_gguf.py"
        yield from _processor_notes(choice)
    if engine.family is Family.SGLANG and best.arrangement.machines > 1:
        yield f"{TITLES[engine.family]} takes --node-rank and --dist-init-addr on each machine besides"


def _processor_notes(choice: Choice) -> Iterator[str]:
    """Types without GPU that would do as well, which their missing prices keep behind all others."""
    if choice.best.machine.cores:
        yield "no GPU: the speed is an estimate from the memory bandwidth of the processor, which was not measured here"
        return
    unpriced = sum(1 for one in choice.others if one.machine.cores and one.usd_per_hour is None)
    if unpriced:
        types = "type without GPU" if unpriced == 1 else "types without GPU"
        yield (
            f"{unpriced} {types} would also fit; their prices are not in the catalogue: "
            "`seekstack instances refresh --apply` fills them in"
        )
