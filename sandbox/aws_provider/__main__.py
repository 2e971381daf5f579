"""`python -m sandbox.aws_provider ENGINE_ADDRESS`: the plugin process."""

from __future__ import annotations

import os
import sys

from sandbox.aws_provider import schema
from sandbox.aws_provider.provider import AwsProvider
from sandbox.plugin import serve

engine = sys.argv[1] if len(sys.argv) > 1 else ""
serve(AwsProvider(run=f"{os.getppid()}-{engine}"), schema.load().sdk)
