"""`python -m sandbox.kubernetes_provider ENGINE`: the plugin process the engine starts."""

from __future__ import annotations

import os
import sys

from sandbox.kubernetes_provider.engine_log import EngineLog
from sandbox.kubernetes_provider.provider import VERSION, KubernetesProvider
from sandbox.plugin import serve


def main() -> None:
    """Serve until the engine goes away."""
    engine = next((argument for argument in sys.argv[1:] if not argument.startswith("-")), "")
    serve(KubernetesProvider(EngineLog(engine)), VERSION)
    sys.stdout.flush()
    os._exit(0)  # threads that still wait for an object would keep the process for minutes


if __name__ == "__main__":
    main()
