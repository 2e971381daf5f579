"""`pulumi-language-python` for machines that lack the vendor's: lets a plain `pulumi up` run Python programs.

The engine starts it with its address, reads a port from stdout and talks gRPC (proto/pulumi/language.proto). Each run
is a process of its own (`language_program.py`): fresh modules, the interpreter that the project names, and the host
stays able to answer. What `pulumi new`, `pulumi package` and SDK generation need is left to the vendor's host.

The engine gives each plugin a process group of its own, so a Ctrl-C reaches only the engine. It sends SIGINT to that
group when it is done with us, waits up to 5 s and then kills: SIGINT therefore means "leave now", without a word.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["LanguageHost", "OptionError", "interpreter", "main", "outcome"]

PROGRAM = Path(__file__).with_name("language_program.py")
ALREADY_SHOWN = 32
MESSAGE_BYTES = 400 * 1024 * 1024  # the SDK's own limit, pulumi/runtime/_grpc_settings.py
PARENT_POLL_SECONDS = 0.5
THREADS = 8
ABOUT_SECONDS = 30.0

INVENTORY = (
    "import importlib.metadata as m, json, platform;"
    "print(json.dumps([platform.python_version(),"
    " sorted({d.metadata['Name']: d.version for d in m.distributions()}.items())]))"
)


def _load_protocol() -> None:
    """Make `pulumi.runtime.proto` importable without `pulumi` itself: the host needs 5 modules of 400.

    Saves 0.6 s a run, on the way of every command. The program's process imports the SDK as usual.
    """
    spec = importlib.util.find_spec("pulumi")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"pulumi-language-python: the Pulumi SDK is not installed for {sys.executable}")
    folder = Path(next(iter(spec.submodule_search_locations)))
    for name in ("pulumi", "pulumi.runtime", "pulumi.runtime.proto"):
        module = types.ModuleType(name)
        module.__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
        sys.modules.setdefault(name, module)


if __name__ == "__main__":  # never where somebody else's process imports us: it may want the whole SDK
    _load_protocol()

import grpc  # noqa: E402
from google.protobuf import empty_pb2, json_format  # noqa: E402
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2  # noqa: E402


class OptionError(Exception):
    """A runtime option of Pulumi.yaml that cannot be followed."""


def interpreter(root: Path, options: Mapping[str, Any]) -> str:
    """The Python that shall run the program: the project's virtual environment, else the one that runs us.

    `virtualenv` is relative to Pulumi.yaml, as with the vendor's host; `toolchain: uv` means `.venv` where not said.
    """
    toolchain = options.get("toolchain", "pip")
    if toolchain not in ("pip", "uv") or options.get("typechecker"):
        option = "typechecker" if options.get("typechecker") else "toolchain"
        raise OptionError(
            f"runtime option `{option}: {options[option]}` in Pulumi.yaml needs the vendor's pulumi-language-python, "
            "which is not installed; remove the option, or install Pulumi (https://www.pulumi.com/docs/install/)"
        )
    named = options.get("virtualenv") or (".venv" if toolchain == "uv" else None)
    if not named:
        return sys.executable
    python = root / str(named) / "bin" / "python"
    if not python.exists():
        raise OptionError(
            f"runtime option `virtualenv: {named}` in Pulumi.yaml: {python} does not exist; "
            f"create it (`python3 -m venv {root / str(named)}`) and install the project's dependencies into it"
        )
    return str(python)


def outcome(status: int) -> tuple[str, bool]:
    """The program's exit status as (error, bail) of the protocol; `bail` is a failure that was shown already."""
    if status == 0:
        return "", False
    if status == ALREADY_SHOWN:
        return "", True
    if status < 0:
        return f"Program was killed by {signal.Signals(-status).name}", False
    return f"Program exited with non-zero exit code: {status}", False


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """Answers the engine; one child process a Run."""

    def __init__(self, engine_address: str) -> None:
        self.engine_address = engine_address
        self._children: set[subprocess.Popen[bytes]] = set()

    def Handshake(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 a gRPC method, as those below
        self.engine_address = request.engine_address or self.engine_address
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return plugin_pb2.PluginInfo()

    def GetRequiredPlugins(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return language_pb2.GetRequiredPluginsResponse()

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        """None ahead of time: the engine loads each plugin when the first resource of it is registered."""
        return language_pb2.GetRequiredPackagesResponse()

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        return language_pb2.RuntimeOptionsResponse()

    def About(self, request: Any, context: Any) -> Any:  # noqa: N802
        python, version, _ = self._inventory(request.info, context)
        return language_pb2.AboutResponse(executable=python, version=version)

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:  # noqa: N802
        _, _, packages = self._inventory(request.info, context)
        found = [language_pb2.DependencyInfo(name=name, version=version) for name, version in packages]
        return language_pb2.GetProgramDependenciesResponse(dependencies=found)

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802, ARG002
        folder = request.info.program_directory or request.directory
        text = f"seekstack's language host installs nothing; run `uv sync` or pip in {folder}\n"
        yield language_pb2.InstallDependenciesResponse(stdout=text.encode())

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        """The engine was interrupted; it lets what is under way finish and then ends Run itself."""
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        try:
            python = interpreter(Path(request.info.root_directory or request.pwd), _options(request.info))
        except OptionError as error:
            return language_pb2.RunResponse(error=str(error))
        child = subprocess.Popen([python, "-u", str(PROGRAM)], stdin=subprocess.PIPE, env=_program_environment())
        self._children.add(child)
        # An engine that was interrupted, or that failed, abandons the call: the program must not outlive it.
        if not context.add_callback(child.kill):
            child.kill()
        try:
            child.communicate(json.dumps(self._job(request)).encode())
        finally:
            self._children.discard(child)
        message, bail = outcome(child.returncode)
        return language_pb2.RunResponse(error=message, bail=bail)

    def leave(self, status: int) -> NoReturn:
        """End at once, and every program with us."""
        for child in tuple(self._children):
            child.kill()
        os._exit(status)

    def _job(self, request: Any) -> dict[str, Any]:
        info = request.info
        program = Path(info.program_directory or request.pwd) / (info.entry_point or request.program or ".")
        return {
            "pwd": request.pwd,
            "program": str(program),
            "arguments": list(request.args),
            "config": dict(request.config),
            "secret_keys": list(request.configSecretKeys),
            "settings": {
                "project": request.project,
                "stack": request.stack,
                "organization": request.organization or "organization",
                "root_directory": info.root_directory,
                "parallel": request.parallel,
                "dry_run": request.dryRun,
                "monitor": request.monitor_address,
                "engine": self.engine_address,
            },
        }

    def _inventory(self, info: Any, context: Any) -> tuple[str, str, list[tuple[str, str]]]:
        """The program's interpreter, its version, and what is installed in it."""
        try:
            python = interpreter(Path(info.root_directory), _options(info))
            answer = subprocess.check_output([python, "-c", INVENTORY], timeout=ABOUT_SECONDS)
        except (OptionError, OSError, subprocess.SubprocessError) as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
            raise
        version, packages = json.loads(answer)
        return python, version, [(name, number) for name, number in packages]


def _program_environment() -> dict[str, str]:
    """Ours without the entry by which our launcher found us: the program imports what is its own."""
    ours = str(PROGRAM.parent.parent)
    entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != ours]
    kept = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return {**kept, "PYTHONPATH": os.pathsep.join(entries)} if entries else kept


def _options(info: Any) -> dict[str, Any]:
    return dict(json_format.MessageToDict(info.options))


def main() -> NoReturn:
    """Serve until the engine sends SIGINT or is gone."""
    parent = os.getppid()
    addresses = [argument for argument in sys.argv[1:] if not argument.startswith("-")]
    host = LanguageHost(addresses[-1] if addresses else "")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    server = grpc.server(
        ThreadPoolExecutor(max_workers=THREADS),
        options=[("grpc.max_receive_message_length", MESSAGE_BYTES), ("grpc.max_send_message_length", MESSAGE_BYTES)],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    while not done.wait(PARENT_POLL_SECONDS) and os.getppid() == parent:
        pass
    host.leave(0)


if __name__ == "__main__":
    main()
