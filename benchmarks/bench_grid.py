"""The planning grid: every model of the catalogue x 4 contexts x every format, each against all EC2 types.

Prints the CPU seconds of the best of five runs, without what an earlier run kept. The bar is 1 s on a quiet machine.
"""

from __future__ import annotations

import gc
import itertools
import time

from infra.catalog.load import shipped
from infra.errors import ConfigurationError, ConfigurationErrors
from infra.sizing import prepared
from infra.sizing.plan import PlanRequest, plan
from infra.sizing.refusal import Refusal

CONTEXTS = (2048, 8192, 32768, 131072)
RUNS = 5


def main() -> None:
    """One line."""
    catalog = shipped()
    grid = list(itertools.product(catalog.models, CONTEXTS, catalog.quantizations))
    seconds = []
    for _ in range(RUNS):
        prepared.forget()
        gc.collect()
        start = time.process_time()
        for model, context, stored in grid:
            try:
                plan(PlanRequest(model.id, quantization=stored.name, context_tokens=context), catalog)
            except (Refusal, ConfigurationError, ConfigurationErrors):
                continue
        seconds.append(time.process_time() - start)
    print(f"{len(grid):,} plans over {len(catalog.instances)} types: {min(seconds):.2f} s of CPU (bar 1 s)")


if __name__ == "__main__":
    main()
