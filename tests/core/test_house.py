"""What holds for the code of both packages, wherever it stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import xinstr_core
import xinstr_dagster
from xinstr_core.engines.kinds import KINDS
from xinstr_core.schemas.declaration import Declared, declarations
from xinstr_core.schemas.metrics import METRICS

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


# From the top: a module imports from lower floors, and from its own room.
FLOORS = (
    {"reference"},
    {"publishing", "stages"},
    {"reporting", "workspace"},
    {"curation", "diversity", "evaluation", "seeds"},
    {"corpus"},
    {"pocket"},
    {"training"},
    {"engines"},
    {"catalogue", "history"},
    {"languages", "presets"},
    {"store"},
    {"prompts", "settings"},
    {"schemas"},
    {"identity", "parallel", "progress", "statistics", "text"},
    {"errors"},
)


def test_imports_go_down_only() -> None:
    floor_of = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
    found = []
    for name, module in MODULES.items():
        room = _room(name)
        if name.startswith("xinstr_dagster/") or room == "__init__":
            continue
        assert room in floor_of, f"{name}: give its room a floor in FLOORS"
        for line, imported in _imported(module):
            package, _, path = imported.partition(".")
            other = path.partition(".")[0]
            if package in {"xinstr_dagster", "dagster"}:
                found.append(f"{name}:{line} imports {imported}: the core knows no orchestrator: pass in what it needs")
            elif package == "xinstr_core" and other != room and floor_of[other] <= floor_of[room]:
                found.append(
                    f"{name}:{line} imports {imported}, which is not below it: move what both need to a lower floor"
                )
    assert not found, "\n".join(found)


def test_what_is_told_is_spelled_once() -> None:
    """Labels of several words and names of metrics stand in their declaration alone, and figures are read as attributes."""
    labels = [
        one.label
        for kind in _declared_classes()
        for one in declarations(kind).values()
        if one.name in kind.__annotations__
    ]
    labels += [metric.name for metric in METRICS]
    spelled = {label for label in labels if " " in label}
    assert len(spelled) == sum(" " in label for label in labels), "a label of several words is declared twice"
    found = []
    for name, module in MODULES.items():
        if name.startswith("xinstr_core/schemas/"):
            continue
        for node in ast.walk(module):
            if isinstance(node, ast.Constant) and node.value in spelled:
                found.append(f"{name}:{node.lineno} spells {node.value!r}: read it from its declaration in schemas/")
            elif isinstance(node, ast.Subscript) and _is_figures(node.value) and isinstance(node.slice, ast.Constant):
                found.append(f"{name}:{node.lineno} asks figures for {node.slice.value!r}: use read_figures()")
    template = next(path for package in PACKAGES for path in package.rglob("report.html.jinja")).read_text("utf-8")
    found += [f"the report's template spells {label!r}" for label in spelled if f'"{label}"' in template]
    assert not found, "\n".join(found)


def _is_figures(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "figures"


def _declared_classes() -> list[type[Declared]]:
    found, waiting = list[type[Declared]](), [Declared]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += [
            one for one in kind.__subclasses__() if one.__module__.startswith("xinstr_core.") and one not in found
        ]
    return list(dict.fromkeys(found))


def _room(name: str) -> str:
    """The room of a module: the folder or file below its package."""
    return name.split("/")[1].removesuffix(".py")


def _imported(module: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
