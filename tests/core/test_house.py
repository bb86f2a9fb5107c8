"""What holds for the code of both packages, wherever it stands."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    assert {"TransformersEngine"} <= kinds
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


def test_tables_are_read_by_what_takes_no_name_for_a_pattern() -> None:
    found = [
        f"{name}:{node.lineno} reads by pl.{node.attr}: ask xinstr_core.files for the table"
        for name, module in MODULES.items()
        if name != "xinstr_core/files.py"
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute) and node.attr in {"read_parquet", "scan_parquet"}
    ]
    assert not found, "\n".join(found)


# From the top: a module imports from lower floors, and from its own room.
FLOORS = (
    {"reference", "estimate"},
    {"publishing", "stages"},
    {"exporting"},
    {"reporting"},
    {"workspace"},
    {"curation", "diversity", "evaluation"},
    {"seeds"},
    {"seed_layouts"},
    {"seed_messages"},
    {"seed_fields"},
    {"corpus"},
    {"pocket"},
    {"training"},
    {"engines"},
    {"sql"},
    {"catalogue", "history"},
    {"views"},
    {"languages", "presets"},
    {"store"},
    {"manifest", "prompts", "settings"},
    {"schemas"},
    {"cluster"},
    {
        "disk",
        "files",
        "generations",
        "identity",
        "licences",
        "locks",
        "parallel",
        "progress",
        "scripts",
        "statistics",
        "text",
    },
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
            elif package == "xinstr_core" and other not in floor_of:
                found.append(
                    f"{name}:{line} imports {imported}: import a module, from a room that has a floor in FLOORS"
                )
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
            for label in _labels_in(node, spelled):
                found.append(f"{name}:{node.lineno} spells {label!r}: read it from its declaration in schemas/")
        found += [
            f"{name}:{line} asks figures for {asked!r}: use read_figures(), or read_part() of what declares it"
            for line, asked in _asked_of_figures(module)
            if name != "xinstr_core/store.py"
        ]
    templates = [path for package in PACKAGES for path in package.rglob("*.jinja")]
    assert templates
    found += [
        f"{path.name} spells {label!r}"
        for path in templates
        for label in spelled
        if f'"{label}"' in path.read_text("utf-8")
    ]
    assert not found, "\n".join(found)


def _labels_in(node: ast.AST, labels: set[str]) -> Iterator[str]:
    """Labels that a text is, or that a piece of an f-string puts before a value. In prose, the same words are no label."""
    if isinstance(node, ast.Constant) and node.value in labels:
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        pieces = [str(piece.value) for piece in node.values if isinstance(piece, ast.Constant)]
        yield from (
            label
            for label in labels
            if any(re.search(rf"(^|[^\w\s])\s*{re.escape(label)}\s*[:=|(]", piece) for piece in pieces)
        )


def _asked_of_figures(module: ast.Module) -> Iterator[tuple[int, str]]:
    """Every text by which stored figures are asked for one of them, by brackets or a method, also through another name."""
    names = {
        target.id
        for node in ast.walk(module)
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr))
        and node.value
        and _is_figures(node.value, set())
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Subscript):
            asked, key = node.value, node.slice
            if isinstance(key, ast.Constant) and key.value == "figures":
                yield node.lineno, "figures"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            asked, key = node.func.value, node.args[0]
        else:
            continue
        if _is_figures(asked, names) and isinstance(key, ast.Constant):
            yield node.lineno, str(key.value)


def _is_figures(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and node.args:
        return _is_figures(node.args[0], names)
    return (isinstance(node, ast.Attribute) and node.attr == "figures") or (
        isinstance(node, ast.Name) and node.id in names
    )


@pytest.mark.parametrize(
    "line",
    [
        'partition.figures["accuracy"]',
        'partition.figures.get("accuracy")',
        'held = partition.figures; held["accuracy"]',
        'held = dict(partition.figures); held.pop("accuracy")',
        'if held := partition.figures: held.get("accuracy", 0)',
        'manifest["figures"]["accuracy"]',
        'dict(partition.figures)["accuracy"]',
    ],
)
def test_no_way_to_ask_figures_by_a_text_slips_through(line: str) -> None:
    assert [*_asked_of_figures(ast.parse(line))]


@pytest.mark.parametrize("line", ["partition.figures", "figures.accuracy", 'rows["accuracy"]', "numbers(one.figures)"])
def test_what_asks_figures_for_nothing_by_a_text_is_let_through(line: str) -> None:
    assert not [*_asked_of_figures(ast.parse(line))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"seed pairs"', {"seed pairs"}),
        ('f"seed pairs: {count}"', {"seed pairs"}),
        ('f"{tag}, seed pairs={count}"', {"seed pairs"}),
        ("f\"{'seed pairs'} {count}\"", {"seed pairs"}),
        ('f"give more seed pairs than {count}"', set()),
        ('f"{count} rows cannot be seed pairs: say {more}"', set()),
        ('"give more seed pairs"', set()),
    ],
)
def test_a_label_is_found_in_a_text_and_in_an_f_string_and_not_in_prose(line: str, expected: set[str]) -> None:
    assert {label for node in ast.walk(ast.parse(line)) for label in _labels_in(node, {"seed pairs"})} == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("import xinstr_core", ["xinstr_core"]),
        ("import xinstr_core.stages.stage", ["xinstr_core.stages.stage"]),
        ("from xinstr_core import stages, text", ["xinstr_core.stages", "xinstr_core.text"]),
        ("from xinstr_core.stages import stage", ["xinstr_core.stages"]),
        ("from .stages import stage", ["xinstr_core.stages"]),
        ("from . import stages", ["xinstr_core.stages"]),
    ],
)
def test_every_way_to_import_a_room_is_seen(line: str, expected: list[str]) -> None:
    assert [name for _, name in _imported(ast.parse(line))] == expected


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
        if isinstance(node, ast.ImportFrom):
            # A relative import, which the house does not have, is seen as if it stood at the top of the package.
            module = ".".join(filter(None, ("xinstr_core" if node.level else "", node.module)))
            for name in [f"{module}.{alias.name}" for alias in node.names] if module == "xinstr_core" else [module]:
                yield node.lineno, name
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
