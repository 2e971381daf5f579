"""What to change where nothing in the compatibility matrix keeps all that was fixed.

Found by asking again with constraints lifted, so each change is known to work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from infra.catalog.facts import Catalog, GpuFacts, ModelFacts
from infra.errors import ConfigurationError
from infra.sizing.compatibility_rules import Choice, Code, Matrix, Miss, Wanted

__all__ = ["Conflict", "Problem", "explain_conflict"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One disagreement. `change` mends it, together with the changes of the other problems of the conflict."""

    code: Code
    key: str
    """Field of `Stack` to change."""
    message: str
    allowed: str
    fix: str
    change: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Nothing in the matrix satisfies all that was fixed."""

    summary: str
    problems: tuple[Problem, ...]
    change: Mapping[str, str]
    """The least change that works: the changes of all problems."""
    alternatives: tuple[Mapping[str, str], ...]
    """Other single changes that work alone."""


@dataclass(frozen=True, slots=True)
class _Mended:
    """What is left of the wishes after some were lifted, and the choices they allow, newest engine first."""

    lifted: tuple[str, ...]
    wanted: Wanted
    choices: tuple[Choice, ...]

    @property
    def change(self) -> dict[str, str]:
        return {key: _value(key, self.wanted, self.choices[0]) for key in self.lifted}


def explain_conflict(wanted: Wanted, matrix: Matrix) -> Conflict:
    """Every problem of a stack that has no choice, with the least change that mends them."""
    mended = _least_change(wanted, matrix)
    change = mended.change
    allowed = {key: _allowed(key, mended, matrix) for key in change}
    problems = tuple(
        Problem(miss.code, key, miss.message, allowed[key], _fix(key, mended), {key: change[key]})
        for miss, key in _misses_by_key(wanted, mended, matrix)
    )
    singles = [_lift(wanted, [key], matrix) for key in wanted.fixed() if list(change) != [key]]
    alternatives = tuple(single.change for single in singles if single)
    return Conflict(_summary(wanted, problems, matrix), problems, change, alternatives)


def _least_change(wanted: Wanted, matrix: Matrix) -> _Mended:
    """Bit n of `mask` lifts the n-th part, so counting up lifts a part only when no set of earlier ones suffices."""
    fixed = wanted.fixed()
    for mask in range(1, 2 ** len(fixed)):
        mended = _lift(wanted, [key for bit, key in enumerate(fixed) if mask >> bit & 1], matrix)
        if mended:
            return mended
    raise ConfigurationError(
        "the catalogue holds no GPU and model that go together", code="SKS0205", key="gpu", fix="add one to gpus.yaml"
    )


def _lift(wanted: Wanted, keys: Sequence[str], matrix: Matrix) -> _Mended | None:
    """The choices left with these parts open; a GPU and model in their place are the nearest of the catalogue."""
    opened: dict[str, Any] = dict.fromkeys(keys)
    lifted = replace(wanted, **opened)
    if not matrix.allows(lifted):
        return None
    gpus = _nearest_gpus(wanted.gpu, matrix.catalog) if "gpu" in keys and wanted.gpu else [wanted.gpu]
    models = _nearest_models(wanted.model, matrix.catalog) if "model" in keys and wanted.model else [wanted.model]
    for gpu, model in product(gpus, models):
        mended = replace(lifted, gpu=gpu, model=model)
        choices = tuple(matrix.choices(mended))
        if choices:
            return _Mended(tuple(keys), mended, choices)
    return None


def _nearest_gpus(gpu: GpuFacts, catalog: Catalog) -> list[GpuFacts]:
    """By memory, those with at least as much first."""
    return sorted(
        catalog.gpus, key=lambda one: (one.usable_bytes < gpu.usable_bytes, abs(one.usable_bytes - gpu.usable_bytes))
    )


def _nearest_models(model: ModelFacts, catalog: Catalog) -> list[ModelFacts]:
    """By the ratio of their parameters."""
    size = math.log(max(model.parameters, 1))
    return sorted(catalog.models, key=lambda one: abs(math.log(max(one.parameters, 1)) - size))


def _misses_by_key(wanted: Wanted, mended: _Mended, matrix: Matrix) -> list[tuple[Miss, str]]:
    """What the engine that was asked for breaks, or else what even the oldest one that could do breaks."""
    engines = filter(None, (wanted.engine_version, mended.choices[-1].engine))
    misses = [miss for engine in engines for miss in matrix.misses(wanted, matrix.choose(engine, wanted))]
    keyed = [(miss, key) for miss in misses for key in [key for key in miss.keys if key in mended.lifted][:1]]
    found: dict[tuple[Code, str], tuple[Miss, str]] = {}
    for miss, key in keyed:
        found.setdefault((miss.code, key), (_with_floor(miss, wanted, matrix), key))
    return list(found.values())


def _with_floor(miss: Miss, wanted: Wanted, matrix: Matrix) -> Miss:
    """Says why an older engine would not do."""
    model = wanted.model
    if model is None or wanted.engine_version or "engine_version" not in miss.keys:
        return miss
    floor = matrix.floor(model)
    if floor == matrix.facts.engines[0].version:
        return miss
    return replace(miss, message=f"{miss.message}; {model.label} needs vLLM {floor} or later")


def _value(key: str, wanted: Wanted, choice: Choice) -> str:
    values = {
        "engine_version": choice.engine,
        "torch": choice.release.torch,
        "cuda": choice.wheel.cuda,
        "driver": choice.driver,
        "python": choice.python,
        "gpu": wanted.gpu.name if wanted.gpu else None,
        "model": wanted.model.label if wanted.model else None,
    }
    return str(values[key])


def _fix(key: str, mended: _Mended) -> str:
    branch = mended.choices[0].branch
    texts = {
        "engine_version": "use vLLM {}",
        "torch": "install torch {}",
        "cuda": "take the wheels for CUDA {}",
        "driver": f"install driver {{}} (branch {branch.name}, {branch.designation}, fixes until {branch.end_of_life})",
        "python": "use Python {}",
        "gpu": "use another GPU, such as {}",
        "model": "serve another model, such as {}",
    }
    return texts[key].format(mended.change[key])


def _allowed(key: str, mended: _Mended, matrix: Matrix) -> str:
    """All that would do in place of the part, with the other changes made."""
    choices, catalog = mended.choices, matrix.catalog
    if key == "engine_version":
        first, last = choices[-1].engine, choices[0].engine
        later = [row.version for row in matrix.facts.engines if row.version > last]
        return f"vLLM {first} to {last}, and later ones before {later[0]}" if later else f"vLLM {first} or later"
    if key == "driver":
        generation = choices[0].generation
        last_branch = generation.last_driver_branch if generation else None
        oldest = min(choice.oldest_branch for choice in choices)
        end = f"to {last_branch}" if last_branch else "or later"
        return f"branch {oldest} {end}; maintained: {matrix.live_branches(choices[0])}"
    if key == "python":
        ends = {str(choice.python_range): choice.engine for choice in (choices[-1], choices[0])}
        return "; ".join(f"{python} (vLLM {engine})" for python, engine in ends.items())
    if key == "gpu":
        return ", ".join(gpu.name for gpu in catalog.gpus if matrix.allows(replace(mended.wanted, gpu=gpu)))
    if key == "model":
        return ", ".join(one.label for one in catalog.models if matrix.allows(replace(mended.wanted, model=one)))
    return ", ".join(dict.fromkeys(_value(key, mended.wanted, choice) for choice in choices))


def _summary(wanted: Wanted, problems: Sequence[Problem], matrix: Matrix) -> str:
    agreement = _agreement(wanted, matrix)
    covered = (Code.TORCH, Code.CUDA, Code.PYTHON) if agreement else ()
    return "; ".join(filter(None, [agreement, *(one.message for one in problems if one.code not in covered)]))


def _agreement(wanted: Wanted, matrix: Matrix) -> str | None:
    """Says so where torch, Python and CUDA go together but no engine takes them, as in the seed's recipe."""
    torch, model = wanted.torch, wanted.model
    opened: dict[str, Any] = dict.fromkeys(("cuda", "python", "driver", "gpu"))
    if torch is None or wanted.engine_version or matrix.allows(replace(wanted, **opened)):
        return None
    wheel = matrix.facts.torch(torch)
    agrees = (
        wheel.version.minor == torch.minor
        and (wanted.python is None or wanted.python in wheel.python)
        and (wanted.cuda is None or wanted.cuda.minor == wheel.cuda.minor)
    )
    if not agrees:
        return None
    named = {"Python": wanted.python, "torch": torch, "CUDA": wanted.cuda}
    *others, last = [f"{name} {version}" for name, version in named.items() if version]
    parts = f"{', '.join(others)} and {last} agree with each other, but" if others else f"{last}:"
    serves = f" that serves {model.label}" if model else ""
    *_, first = matrix.choices(replace(wanted, **opened, torch=None))
    needs = f"torch {first.release.torch}, CUDA {first.wheel.cuda} and Python {first.python_range}"
    return f"{parts} no vLLM{serves} takes torch {torch}; {first.engine}, the first, needs {needs}"
