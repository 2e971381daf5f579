"""The words of `aws ssm` that the node's scripts say, in 50 ms: run as a program, against the fake AWS only.

`aws ssm OPERATION --name value … --flag|--no-flag --query EXPRESSION --output text`. The real command takes a second
for each call; where it is installed, one test uses it.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Any

import jmespath


def main(words: list[str]) -> int:
    """0 with the answer on stdout, 254 with the refusal on stderr (the command's own exit code for it)."""
    _, operation, *rest = words
    query, inputs = read(rest)
    region = os.environ["AWS_DEFAULT_REGION"]
    request = urllib.request.Request(  # noqa: S310 the fake's address
        os.environ["AWS_ENDPOINT_URL"],
        json.dumps(inputs).encode(),
        {
            "Content-Type": "application/x-amz-json-1.1",
            "X-Amz-Target": f"AmazonSSM.{camel(operation)}",
            "Authorization": f"AWS4-HMAC-SHA256 Credential=test/20261124/{region}/ssm/aws4_request, "
            "SignedHeaders=host, Signature=0",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
            found = jmespath.search(query, json.load(response))
    except urllib.error.HTTPError as error:
        sys.stderr.write(error.read().decode() + "\n")
        return 254
    sys.stdout.write("\t".join(map(str, found)) if isinstance(found, list) else str(found))
    sys.stdout.write("\n")
    return 0


def read(words: list[str]) -> tuple[str, dict[str, Any]]:
    """The query, and inputs by the names of the API."""
    query, inputs, position = "@", dict[str, Any](), 0
    while position < len(words):
        word = words[position].removeprefix("--")
        position += 1
        if position == len(words) or words[position].startswith("--"):
            inputs[camel(word.removeprefix("no-"))] = not word.startswith("no-")
            continue
        value = words[position]
        position += 1
        if word == "query":
            query = value
        elif word != "output":
            inputs[camel(word)] = value
    return query, inputs


def camel(word: str) -> str:
    """`put-parameter` → `PutParameter`."""
    return "".join(part.capitalize() for part in word.split("-"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
