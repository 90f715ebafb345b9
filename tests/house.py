"""The rules of the house as functions from a source tree to the places that break them.

They read source text and never import it, so that they can be shown a made-up tree that breaks a rule. The tests are in
``unit/test_house_rules.py``.
"""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PACKAGE = "reasonry"
FAMILIES = ("training", "understanding", "test_time", "evaluation", "watermark")
GROUPED = ("training", "understanding", "evaluation")  # families whose methods are sub-packages
FOUNDATION = ("core", "tasks")
FRAMEWORKS = ("trl", "vllm", "inspect_ai", "ray", "wandb", "trackio")
MAX_CLI_LINES = 120
MAX_LINES = 600
MAX_MEDIAN_LINES = 180

UNPICKLERS = ("pickle", "cPickle", "_pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal")
BANNED_MODULES = (*UNPICKLERS, "yaml", "random")
BANNED_NAMES = (
    "torch.load",
    "torch.save",
    "torch.manual_seed",
    "torch.seed",
    "torch.random",
    "torch.cuda.manual_seed",
    "torch.cuda.manual_seed_all",
    "numpy.load",
)
BANNED_CALLS = ("eval", "exec", "compile", "__import__")
# Everything else in numpy.random is either the one global generator or a constructor of such a thing.
NUMPY_RANDOM = ("Generator", "BitGenerator", "Philox", "PCG64", "PCG64DXSM", "SFC64", "SeedSequence", "default_rng")


class Breach(NamedTuple):
    """One broken rule."""

    place: str
    rule: str

    def __str__(self) -> str:
        return f"{self.place}: {self.rule}"


class Import(NamedTuple):
    """One imported name: ``from a.b import c`` imports both ``a.b`` and, possibly, the module ``a.b.c``."""

    line: int
    name: str


def sources(root: Path) -> list[Path]:
    """Python files under the package folder ``root``."""
    return sorted(root.rglob("*.py"))


def module_name(path: Path, root: Path) -> str:
    """``reasonry.core.run`` for ``root/core/run.py``; a package for its ``__init__.py``."""
    parts = [PACKAGE, *path.relative_to(root).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text("utf-8"), filename=str(path))


def imports(tree: ast.AST, *, module: str = "", is_package: bool = False) -> Iterator[Import]:
    """Every import in a file, at any depth; relative ones are resolved against ``module``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                inside = module.split(".")
                kept = inside[: len(inside) - node.level + is_package]
                base = ".".join([*kept, base] if base else kept)
            yield Import(node.lineno, base)
            for alias in node.names:
                yield Import(node.lineno, f"{base}.{alias.name}")
        elif isinstance(node, ast.Call) and node.args and _called(node).endswith("import_module"):
            first = node.args[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield Import(node.lineno, first.value)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def _is_in(name: str, module: str) -> bool:
    return name == module or name.startswith(module + ".")


def method_of(module: str) -> str | None:
    """The method package a module belongs to (``training.pivotrl``, ``test_time``), None when it is in none."""
    parts = module.split(".")
    if parts[0] != PACKAGE or len(parts) < 2 or parts[1] not in FAMILIES:
        return None
    return ".".join(parts[1:3]) if parts[1] in GROUPED and len(parts) > 2 else parts[1]


def layering(root: Path) -> list[Breach]:
    """Imports that go the wrong way.

    core -> core;  tasks -> core, tasks;  method -> core, tasks, itself;  cli -> all;  frameworks: integrations only.
    """
    found: set[Breach] = set()
    for path in sources(root):
        module = module_name(path, root)
        room = module.split(".")[1] if "." in module else ""
        mine = method_of(module)
        for line, name in imports(parse(path), module=module, is_package=path.name == "__init__.py"):
            place = f"{path.relative_to(root)}:{line}"
            theirs = method_of(name)
            if theirs and room in FOUNDATION:
                found.add(Breach(place, f"{room} imports the method {theirs}"))
            if theirs and mine and theirs not in (mine, mine.split(".")[0]):
                found.add(Breach(place, f"the method {mine} imports the method {theirs}"))
            if _is_in(name, f"{PACKAGE}.cli") and room != "cli" and module != f"{PACKAGE}.__main__":
                found.add(Breach(place, f"{module} imports the command line"))
            if _is_in(name, f"{PACKAGE}.tasks") and room == "core":
                found.add(Breach(place, "core imports tasks"))
            for framework in FRAMEWORKS:
                if _is_in(name, framework) and room != "integrations":
                    found.add(Breach(place, f"{framework} is imported outside integrations"))
    return sorted(found)


def banned(root: Path) -> list[Breach]:
    """Unpicklers, code from text, and generators that everybody shares."""
    found: set[Breach] = set()
    for path in sources(root):
        tree = parse(path)
        aliases = _aliases(tree)

        def add(line: int, rule: str, path: Path = path) -> None:
            found.add(Breach(f"{path.relative_to(root)}:{line}", rule))

        for line, name in imports(tree, module=module_name(path, root), is_package=path.name == "__init__.py"):
            for module in BANNED_MODULES:
                if _is_in(name, module):
                    add(line, f"imports {module}")
            if rule := _banned_name(name):
                add(line, rule)
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and (rule := _banned_name(_dotted(node, aliases))):
                add(node.lineno, rule)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in BANNED_CALLS:
                add(node.lineno, f"calls {node.func.id}()")
    return sorted(found)


def _banned_name(name: str) -> str | None:
    for known in BANNED_NAMES:
        if _is_in(name, known):
            return f"uses {known}"
    parts = name.split(".")
    if parts[:2] == ["numpy", "random"] and len(parts) > 2 and parts[2] not in NUMPY_RANDOM:
        return f"uses numpy.random.{parts[2]}, which draws from the one global generator"
    return None


def _aliases(tree: ast.AST) -> Mapping[str, str]:
    """Local name -> what was imported under it."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                found[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def _dotted(node: ast.expr, aliases: Mapping[str, str]) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([aliases.get(node.id, f"<local>.{node.id}"), *reversed(parts)])


def sizes(root: Path) -> list[Breach]:
    """Files that are too long, and a package whose files are too long on the whole."""
    lengths = {p: len(p.read_text("utf-8").splitlines()) for p in sources(root)}
    found: list[Breach] = []
    for path, length in lengths.items():
        place = str(path.relative_to(root))
        if length > MAX_LINES:
            found.append(Breach(place, f"{length} lines, more than {MAX_LINES}: split it by noun"))
        if path.relative_to(root).parts[0] == "cli" and length > MAX_CLI_LINES:
            found.append(Breach(place, f"{length} lines, more than {MAX_CLI_LINES}: the command line holds no logic"))
    if lengths and (median := statistics.median(lengths.values())) > MAX_MEDIAN_LINES:
        found.append(Breach(".", f"the median file has {median:g} lines, more than {MAX_MEDIAN_LINES}"))
    return found


def undocumented_fields(root: Path) -> list[Breach]:
    """Config fields without a docstring under them. A nested config is described by its own class docstring."""
    classes = [(p, c) for p in sources(root) for c in ast.walk(parse(p)) if isinstance(c, ast.ClassDef)]
    configs = {"Config"}
    while more := {c.name for _, c in classes if configs & _names(c.bases)} - configs:
        configs |= more
    found: list[Breach] = []
    for path, cls in classes:
        if cls.name not in configs or not configs & _names(cls.bases):
            continue
        place = f"{path.relative_to(root)}:{cls.lineno}"
        if ast.get_docstring(cls) is None:
            found.append(Breach(place, f"{cls.name} has no docstring"))
        for field, below in zip(cls.body, [*cls.body[1:], None], strict=True):
            if not isinstance(field, ast.AnnAssign) or _names([field.annotation]) & (configs - {"Config"}):
                continue
            if not (isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)):
                found.append(
                    Breach(
                        f"{path.relative_to(root)}:{field.lineno}",
                        f"{cls.name}.{ast.unparse(field.target)} has no docstring",
                    )
                )
    return found


def _names(nodes: Sequence[ast.expr]) -> set[str]:
    """Last parts of plain or dotted names: ``Config`` for ``config.Config``."""
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in nodes
        if isinstance(node, ast.Name | ast.Attribute)
    }


def holding(folder: Path, secret: str) -> list[Path]:
    """Files under ``folder``, whatever they are, that hold ``secret``."""
    needle = secret.encode()
    return [p for p in sorted(folder.rglob("*")) if p.is_file() and needle in p.read_bytes()]
