"""`python -m sandbox.aws_provider ENGINE_ADDRESS`: the plugin process."""

from __future__ import annotations

import os
import sys

from sandbox.aws_provider import schema
from sandbox.aws_provider.provider import AwsProvider
from sandbox.plugin import serve

__all__: list[str] = []

# Which engine run this is, for the journal: all plugins of one run have the same parent and the same address.
engine = sys.argv[1] if len(sys.argv) > 1 else ""
serve(AwsProvider(run=f"{os.getppid()}-{engine}"), schema.load().sdk)
sys.stdout.flush()
os._exit(0)  # a call still on its way must not go on without an engine: what it made, the next run finds by its token
