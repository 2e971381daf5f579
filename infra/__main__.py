"""What `pulumi up` runs (`main: infra` in Pulumi.yaml)."""

import os
import sys
from pathlib import Path

# The engine starts us with sys.path[0] = "infra": `import infra` fails there, and our modules shadow others.
sys.path[0] = str(Path(__file__).resolve().parent.parent)
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "1"  # an Output in an f-string raises instead of becoming a warning text

from infra.program import main  # noqa: E402 the two lines above must come first

main()
