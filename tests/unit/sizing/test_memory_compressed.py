"""V4's cache of two parameters, against what the engine printed."""

from __future__ import annotations

import pytest

from infra.catalog.load import load
from infra.sizing.compressed_cache import DSPARK_LAYERS, CompressedCache, compressed_cache
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.refusal import Miss, Reason
from infra.units import gib, to_gib

CATALOG = load()


def cache_of(model: str, draft: int = 0) -> CompressedCache:
    found = compressed_cache(CATALOG.model(model), draft)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("draft", "context", "in_flight", "needed"),
    [
        (0, 30_000, 16_384, 6.66),  # vLLM 44376, a library on GH200
        (0, 13_528, 16_384, 5.44),  # the longest context it proposes
        (0, 131_072, 2_048, 1.34),  # vllm-deepseek-v4-sm89 issue 54, a server on 4090-48
        (DSPARK_LAYERS, 262_144, 2_048, 1.93),  # issue 41, with the DSpark draft
    ],
)
def test_one_request_needs_what_the_engine_asked_for(draft: int, context: int, in_flight: int, needed: float) -> None:
    assert round(to_gib(cache_of("V4-Flash", draft).needed_bytes(context, in_flight)), 2) == needed


def test_pages_of_a_request_are_exact() -> None:
    """vLLM 52495: 13,270 pages for 1.89 requests of 33,792 tokens with 16,896 in flight."""
    cache = cache_of("V4-Flash", DSPARK_LAYERS)
    assert cache.pages(33_792, 16_896) == 7022
    assert cache.packed_page_bytes == 1_002_240
    assert cache.reported_tokens(gib(12.39), 33_792, 16_896) == pytest.approx(63_859, rel=0.001)


def test_reported_tokens_are_requests_times_context_and_not_a_rate() -> None:
    cache = cache_of("V4-Flash")
    room = gib(142.07)
    assert cache.reported_tokens(room, 1_048_576, 8192) == pytest.approx(21_422_407, rel=0.001)
    assert cache.reported_tokens(room, 8192, 8192) < 1_000_000
    assert to_gib(cache.used_bytes(21_422_407, 1_048_576, 8192)) == pytest.approx(142.07, rel=0.001)


@pytest.mark.parametrize(("model", "logged"), [("V4-Pro", 23_749.84)])
def test_sglang_counts_its_own_bytes_a_token(model: str, logged: float) -> None:
    assert cache_of(model).sglang_bytes_per_token() == pytest.approx(logged, abs=0.01)


def test_a_model_whose_layers_are_not_published_has_no_cache_to_size() -> None:
    v41 = CATALOG.model("V4.1-Flash")
    assert compressed_cache(v41) is None
    work = Workload(8192, 1, 0.92, Engine.parse("0.33.0"), reproduce=True)
    outcome = fit(v41, CATALOG.quantization("fp4_fp8"), CATALOG.gpu("B300"), 8, work)
    assert isinstance(outcome, Miss)
    assert outcome.reason is Reason.UNSUPPORTED_CACHE


def test_v4_flash_fits_one_gb300_and_is_refused_on_a_smaller_gpu_for_its_weights() -> None:
    work = Workload(1_048_576, 1, 0.92, Engine.parse("0.25.0"), "fp8", reproduce=True)
    flash, native = CATALOG.model("V4-Flash"), CATALOG.quantization("fp4_fp8")
    found = fit(flash, native, CATALOG.gpu("GB300"), 1, work)
    assert isinstance(found, Fit)
    assert found.kv_tokens >= 1_048_576
    assert found.max_context == 1_048_576
    small = fit(flash, native, CATALOG.gpu("H200"), 1, work)
    assert isinstance(small, Miss)
    assert small.reason is Reason.WEIGHTS


def test_v4_pro_at_800_thousand_tokens_does_not_fit_eight_replicas_on_h200() -> None:
    """vLLM recipes 381: the recipe's own configuration did not start."""
    work = Workload(800_000, 1, 0.92, Engine.parse("0.20.0"), "fp8", reproduce=True)
    outcome = fit(
        CATALOG.model("V4-Pro"), CATALOG.quantization("fp4_fp8"), CATALOG.gpu("H200"), 1, work, data_parallel=8
    )
    assert isinstance(outcome, Miss)
    assert outcome.reason is Reason.KV_CACHE


def test_sglangs_pools_are_a_rate_and_can_be_too_small() -> None:
    """8x L20 hold 120,576 tokens at TP 8 (sglang PR 28620): 32 thousand fit, the model's own million does not."""
    sglang, l20 = Engine.read(Family.SGLANG, "2026-07"), CATALOG.gpu("L20-48")
    flash, native = CATALOG.model("V4-Flash"), CATALOG.quantization("fp4_fp8")

    def outcome(context: int, share: float) -> Fit | Miss:
        return fit(flash, native, l20, 8, Workload(context, 1, share, sglang, reproduce=True))

    found, long, none = outcome(32_768, 0.828), outcome(1_048_576, 0.828), outcome(32_768, 0.753)
    assert isinstance(found, Fit)
    assert 100_000 < found.kv_tokens < 300_000
    assert isinstance(long, Miss)
    assert isinstance(none, Miss)
    assert (long.reason, none.reason) == (Reason.KV_CACHE, Reason.WEIGHTS)
