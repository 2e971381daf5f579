"""The variables under which plain `pulumi` works in a sandbox, and under which nothing can reach a real account.

    eval "$(seekstack sandbox env)"

An empty value means: the user's variable must not be seen. In a shell it is unset, and `merged` leaves it out: some
readers refuse an empty one (AWS_DEFAULTS_MODE).
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from typing import Final

from sandbox import fake_aws, kube
from sandbox.launchers import aws_config_file
from sandbox.paths import SandboxHome

__all__ = ["as_fish", "as_json", "as_sh", "dead_environment", "environment", "merged"]

# Encrypts the secrets of throw-away stacks in a folder of this machine; it protects nothing and must not change.
PASSPHRASE: Final = "seekstack-sandbox"  # noqa: S105
NOWHERE: Final = "http://127.0.0.1:9"  # the discard port: without a fake AWS calls fail, and do not go to the real one
NO_BACKEND: Final = "file:///dev/null/the-sandbox-did-not-come-up"  # no folder, and the error quotes it
# gocloud.dev keeps a file of attributes beside each file of the state and does not write it in one step (fileblob
# setAttrs): a kill -9 in between leaves it empty and the stack unreadable ("failed to load checkpoint: EOF").
WITHOUT_SIDECARS: Final = "?metadata=skip"
LOOPBACK: Final = "127.0.0.1,localhost"
KEPT_AWS: Final = frozenset(
    {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_DEFAULT_OUTPUT", "AWS_PAGER", "AWS_CA_BUNDLE", "AWS_CLI_AUTO_PROMPT"}
)
KEPT_PULUMI: Final = frozenset(
    {"PULUMI_EXPERIMENTAL", "PULUMI_SKIP_CONFIRMATIONS", "PULUMI_ERROR_OUTPUT_STRING", "PULUMI_PYTHON_CMD"}
)


def environment(home: SandboxHome, *, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """What to set over `inherited` (this process's own where not given); see `merged`."""
    return _variables(home, os.environ if inherited is None else inherited, fake_aws.endpoint(home) or NOWHERE)


def merged(home: SandboxHome) -> dict[str, str]:
    """The whole environment for a program that runs in the sandbox, from this process's own."""
    own = environment(home)
    return {name: text for name, text in {**os.environ, **own}.items() if text or name not in own}


def dead_environment(home: SandboxHome) -> dict[str, str]:
    """For a sandbox that did not come up: every `pulumi` and AWS call of the shell fails, and reaches nothing real.

    `eval "$(…)"` of a failed command is an empty eval, which succeeds: what is typed next would run against the
    user's own state and account.
    """
    return {**_variables(home, os.environ, NOWHERE), "PULUMI_BACKEND_URL": NO_BACKEND}


def _variables(home: SandboxHome, around: Mapping[str, str], endpoint: str) -> dict[str, str]:
    return {
        **_hidden(around, endpoint),
        "PATH": _path(home, around),
        "SEEKSTACK_HOME": str(home.root),
        "PULUMI_HOME": str(home.pulumi_home),
        "PULUMI_BACKEND_URL": f"{home.state.as_uri()}{WITHOUT_SIDECARS}",  # with % and # escaped
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_CONFIG_FILE": str(aws_config_file(home)),
        "AWS_SHARED_CREDENTIALS_FILE": str(aws_config_file(home)),
        "AWS_PROFILE": "default",
        "AWS_EC2_METADATA_DISABLED": "true",
        "KUBECONFIG": str(kube.kubeconfig_path(home)),
        **{name: _without_proxy(around.get(name, "")) for name in ("NO_PROXY", "no_proxy")},
    }


def as_sh(variables: Mapping[str, str]) -> str:
    """Lines for `eval` in sh, bash and zsh."""
    lines = [f"export {key}={shlex.quote(text)}" if text else f"unset {key}" for key, text in variables.items()]
    return "\n".join(lines) + "\n"


def as_fish(variables: Mapping[str, str]) -> str:
    """Lines for `source` in fish."""
    lines = [f"set -gx {key} {_fish(key, text)}" if text else f"set -e {key}" for key, text in variables.items()]
    return "\n".join(lines) + "\n"


def as_json(variables: Mapping[str, str]) -> str:
    """One object for programs; null means unset."""
    return json.dumps({key: text or None for key, text in variables.items()}, indent=2) + "\n"


def _hidden(around: Mapping[str, str], endpoint: str) -> dict[str, str]:
    """Every variable of AWS and Pulumi but harmless ones: roles, tokens, profiles, endpoints, stacks, options."""
    found = {}
    for name in around:
        if name.startswith("AWS_ENDPOINT_URL_"):
            found[name] = endpoint
        elif name.startswith(("AWS_", "PULUMI_")) and name not in KEPT_AWS | KEPT_PULUMI:
            found[name] = ""
    return found


def _path(home: SandboxHome, around: Mapping[str, str]) -> str:
    folders = [folder for folder in around.get("PATH", os.defpath).split(os.pathsep) if folder != str(home.bin)]
    return os.pathsep.join([str(home.bin), *folders])


def _without_proxy(listed: str) -> str:
    """Loopback added to the hosts that are reached directly: a company's proxy has no way to this machine."""
    missing = [host for host in LOOPBACK.split(",") if host not in listed.split(",")]
    return ",".join([*([listed] if listed else []), *missing])


def _fish(key: str, text: str) -> str:
    parts = text.split(os.pathsep) if key == "PATH" else [text]
    return " ".join("'" + part.replace("\\", "\\\\").replace("'", "\\'") + "'" for part in parts)
