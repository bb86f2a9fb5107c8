"""What holds for the code of both packages, wherever it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import xinstr_core
import xinstr_dagster
from xinstr_core.engines.kinds import KINDS

PACKAGES = [Path(package.__path__[0]) for package in (xinstr_core, xinstr_dagster)]
MODULES = {
    f"{package.name}/{path.relative_to(package).as_posix()}": ast.parse(path.read_text("utf-8"))
    for package in PACKAGES
    for path in sorted(package.rglob("*.py"))
}
ENGINES = "xinstr_core/engines/"
TRAINS_ITS_OWN = "xinstr_core/pocket/base_model.py"


def test_the_modules_of_both_packages_are_looked_at() -> None:
    assert {f"{ENGINES}roles.py", TRAINS_ITS_OWN, "xinstr_dagster/cli/__init__.py"} <= MODULES.keys()


def test_models_are_asked_for_by_their_role() -> None:
    loaders = {
        node.name
        for name, module in MODULES.items()
        if name.startswith(ENGINES)
        for node in module.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("load_")
    }
    kinds = {kind.__name__ for kind in KINDS.values() if isinstance(kind, type)}
    assert {"load_causal_model", "load_encoder", "load_translator"} <= loaders
    assert kinds == {"TransformersEngine"}
    found = [
        f"{name}:{line} names {used}: ask run.engines for the model by its role (xinstr_core/engines/roles.py)"
        for name, module in MODULES.items()
        if not name.startswith(ENGINES) and name != TRAINS_ITS_OWN
        for line, used in _names(module)
        if used in {*loaders, *kinds, "KINDS", "from_pretrained"}
    ]
    assert not found, "\n".join(found)


def _names(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Every name that a module imports, reads or asks an object for, with its line."""
    for node in ast.walk(module):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names)
