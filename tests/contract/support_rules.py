"""The rules that source must keep and no linter knows. Each takes a module and returns `file:line: problem` texts."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from tests.contract.support_source import Module, dotted, imports_of

__all__ = [
    "component_problems",
    "dynamic_provider_problems",
    "import_time_problems",
    "python_39_problems",
    "resource_in_apply_problems",
]

SDK_PACKAGES = ("pulumi_aws", "pulumi_kubernetes", "pulumi")
NOT_RESOURCES = frozenset(
    {"Alias", "Config", "CustomTimeouts", "InvokeOptions", "Output", "RunError", "StackReference"}
)
IO_FUNCTIONS = ("open", "print", "input", "subprocess", "socket", "boto3", "shutil", "tempfile", "urllib.request")
IO_METHODS = frozenset(
    {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "touch", "unlink", "exists", "is_file", "is_dir"}
    | {"iterdir", "glob", "rglob", "getenv", "sleep", "client", "get_caller_identity", "expanduser", "home", "cwd"}
)
NEWER_THAN_39 = {
    "tomllib": "3.11",
    "enum.StrEnum": "3.11",
    "datetime.UTC": "3.11",
    "hashlib.file_digest": "3.11",
    "asyncio.TaskGroup": "3.11",
    "asyncio.timeout": "3.11",
    "itertools.pairwise": "3.10",
    "itertools.batched": "3.12",
    "contextlib.chdir": "3.11",
    "typing.Self": "3.11",
    "typing.TypeAlias": "3.10",
    "typing.ParamSpec": "3.10",
    "typing.override": "3.12",
}
"""Names of the standard library that came later; the ones that this project uses elsewhere."""


def import_time_problems(module: Module) -> list[str]:
    """Files, environment, processes, clients and clocks used while a module is imported (`__main__.py` may)."""
    if module.path.name == "__main__.py":
        return []
    return [f"{module}:{line}: {what} at import" for node in _run_at_import(module.tree) for line, what in _io_in(node)]


def _run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: no function bodies, but their decorators and defaults."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ("__main__" in ast.dump(child.test) or _is_typing(child)):
            continue
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            for evaluated in (*child.decorator_list, *child.args.defaults, *filter(None, child.args.kw_defaults)):
                yield evaluated
                yield from _run_at_import(evaluated)
        elif not isinstance(child, ast.Lambda):
            yield child
            yield from _run_at_import(child)


def _is_typing(node: ast.If) -> bool:
    return dotted(node.test).endswith("TYPE_CHECKING")


def _io_in(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.Subscript) and dotted(node.value) == "os.environ":
        yield node.lineno, "os.environ"
    if not isinstance(node, ast.Call):
        return
    name = dotted(node.func)
    in_names = any(name == one or name.startswith(f"{one}.") for one in IO_FUNCTIONS)
    if (
        in_names
        or name.startswith("os.environ")
        or (isinstance(node.func, ast.Attribute) and node.func.attr in IO_METHODS)
    ):
        yield node.lineno, f"{name.lstrip('.')}()"


def python_39_problems(module: Module) -> list[str]:
    """Syntax and standard-library names that Python 3.9 lacks."""
    try:
        ast.parse(module.text, feature_version=(3, 9))
    except SyntaxError as error:
        return [f"{module}:{error.lineno}: {error.msg}"]
    return [f"{module}:{node.lineno}: {what}" for node in ast.walk(module.tree) for what in _newer(node)]  # type: ignore[attr-defined]


def _newer(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    elif isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    else:
        names = [dotted(node)]
    yield from (f"{name} needs Python {NEWER_THAN_39[name]}" for name in names if name in NEWER_THAN_39)
    if not isinstance(node, ast.Call):
        return
    function, keywords = dotted(node.func), {keyword.arg for keyword in node.keywords}
    if function.endswith("dataclass") and keywords & {"slots", "kw_only"}:
        yield "dataclass(slots=…, kw_only=…) needs Python 3.10"
    if function == "zip" and "strict" in keywords:
        yield "zip(strict=…) needs Python 3.10"
    if function in {"isinstance", "issubclass"} and any(isinstance(argument, ast.BinOp) for argument in node.args):
        yield "a union in isinstance needs Python 3.10"


def dynamic_provider_problems(module: Module) -> list[str]:
    """Dynamic providers pickle our code into the state: renaming a module would break `destroy`."""
    names = {node.lineno for node in ast.walk(module.tree) if isinstance(node, ast.Attribute) and _is_dynamic(node)}
    names |= {found.line for found in imports_of(module) if found.target.startswith("pulumi.dynamic")}
    names |= {
        node.lineno
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and node.module == "pulumi" and any(a.name == "dynamic" for a in node.names)
    }
    return [f"{module}:{line}: pulumi.dynamic" for line in sorted(names)]


def _is_dynamic(node: ast.Attribute) -> bool:
    return dotted(node).startswith("pulumi.dynamic")


def component_problems(module: Module) -> list[str]:
    """What is wrong with the ComponentResource classes of `module`: type token, parents, `register_outputs` last."""
    found: list[str] = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef) and any(dotted(base).endswith("ComponentResource") for base in node.bases):
            found += [f"{module}:{line}: {node.name}: {what}" for line, what in _component(node, _is_resource(module))]
    return found


def _component(node: ast.ClassDef, is_resource: Callable[[ast.Call], bool]) -> Iterator[tuple[int, str]]:
    constructor = next((m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"), None)
    if constructor is None:
        yield node.lineno, "has no __init__"
        return
    last = constructor.body[-1]
    if not (
        isinstance(last, ast.Expr) and isinstance(last.value, ast.Call) and _method(last.value) == "register_outputs"
    ):
        yield last.lineno, "__init__ does not end with self.register_outputs(...)"
    tokens = [c.args[0] for c in _calls(constructor) if dotted(c.func) == ".__init__" and c.args]
    if not any(isinstance(t, ast.Constant) and str(t.value).startswith("seekstack:") for t in tokens):
        yield constructor.lineno, "the type token does not start with seekstack:"
    for call in _calls(node):
        if dotted(call.func).endswith("ResourceOptions") and not _has_parent_self(call):
            yield call.lineno, "ResourceOptions without parent=self"
        if is_resource(call) and not any(keyword.arg in {"opts", None} for keyword in call.keywords):
            yield call.lineno, f"{dotted(call.func)} is created without opts: it would be an orphan at the root"


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    return (child for child in ast.walk(node) if isinstance(child, ast.Call))


def _method(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _has_parent_self(call: ast.Call) -> bool:
    return any(keyword.arg == "parent" and dotted(keyword.value) == "self" for keyword in call.keywords)


def _is_resource(module: Module) -> Callable[[ast.Call], bool]:
    """Tells calls of resource classes: a capitalised name below a name imported from an SDK, no argument type."""
    roots: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in SDK_PACKAGES:
            roots |= {alias.asname or alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            roots |= {a.asname or a.name.split(".")[0] for a in node.names if a.name.split(".")[0] in SDK_PACKAGES}

    def decide(call: ast.Call) -> bool:
        name = dotted(call.func)
        last = name.rpartition(".")[2]
        is_value = last.endswith(("Args", "ArgsDict", "Options", "Error")) or last in NOT_RESOURCES
        return name.split(".")[0] in roots and last[:1].isupper() and not is_value

    return decide


def resource_in_apply_problems(module: Module, components: frozenset[str]) -> list[str]:
    """Resources made in an `apply` callback: a preview does not run it on an unknown, so its diff lacks them."""
    is_resource = _is_resource(module)
    functions = {n.name: n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
    callbacks = [
        functions.get(dotted(argument).rpartition(".")[2], argument)
        for call in _calls(module.tree)
        if _method(call) == "apply"
        for argument in (*call.args, *(keyword.value for keyword in call.keywords))
    ]
    return [
        f"{module}:{inner.lineno}: {dotted(inner.func)} is created inside apply"
        for callback in callbacks
        for inner in _calls(callback)
        if is_resource(inner) or dotted(inner.func).rpartition(".")[2] in components
    ]
