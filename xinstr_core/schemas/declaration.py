"""How an asset says what it gives: columns with type, meaning and constraint, figures with label, unit and meaning.

One declaration an asset, in the module of its name. Manifest and history, checks, the UI, DuckDB's comments, the report
and the reference page are made from it: nothing that a stage tells is spelled a second time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar, get_args, get_origin

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from xinstr_core.errors import InputError, StageError

Better = Literal["higher", "lower"]
_ROUNDING = 1e-9  # probabilities and what is added up of them may miss a bound by their last bits


@dataclass(frozen=True)
class Column:
    """What a column holds. `minimum`, `maximum` and `values` hold for every value that is there; bounds are included.

    A `nullable` column says in `meaning` when nothing stands in it; an `optional` one is left out of the whole table where
    the settings switch off what it belongs to.
    """

    name: str
    dtype: pl.DataType | type[pl.DataType]
    meaning: str
    unit: str = ""
    nullable: bool = False
    optional: bool = False
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[str, ...] = ()

    @property
    def constraint(self) -> str:
        """What holds of every value, as a person reads it; empty for what may be anything."""
        bounds = {"at least": self.minimum, "at most": self.maximum}
        said = [f"{word} {bound:g}" for word, bound in bounds.items() if bound is not None]
        said += [f"one of {', '.join(self.values)}"] if self.values else []
        return ", ".join([*said, *(["may be null"] if self.nullable else [])])

    def broken(self) -> Iterator[tuple[str, pl.Expr]]:
        """(what does not hold, how many values it does not hold of) for each constraint."""
        value = pl.col(self.name)
        if not self.nullable:
            yield "are null", value.null_count()
        if self.minimum is not None:
            yield f"are below {self.minimum:g}", (value < self.minimum - _ROUNDING).sum()
        if self.maximum is not None:
            yield f"are above {self.maximum:g}", (value > self.maximum + _ROUNDING).sum()
        if self.values:
            yield f"are none of {', '.join(self.values)}", (~value.is_in(self.values)).sum()


@dataclass(frozen=True)
class Table:
    """A table of an asset. `view` is its name in the catalogue, `sample` the columns that a reader wants to see first."""

    asset: str
    name: str
    meaning: str
    columns: tuple[Column, ...]
    view: str = ""
    sample: tuple[str, ...] = ()

    @property
    def schema(self) -> pl.Schema:
        """The columns that every such table has."""
        return pl.Schema({column.name: column.dtype for column in self.columns if not column.optional})

    def frame(self, rows: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Rows as a frame with exactly the columns of the schema. A missing column is an error, an extra one too."""
        return frame(rows, self.schema)

    def columns_of(self, names: Sequence[str]) -> list[Column]:
        """The declarations of a table's columns by their names, in that order."""
        by_name = {column.name: column for column in self.columns}
        return [by_name[name] for name in names if name in by_name]

    def check(self, rows: pl.LazyFrame) -> None:
        """Raise StageError for rows that are not what is declared: a bug, found before anything trusts them."""
        found = rows.collect_schema()
        declared = self.columns_of(found.names())
        wanted = {column.name: column.dtype for column in self.columns if not column.optional or column.name in found}
        if dict(found) != {name: dtype() if isinstance(dtype, type) else dtype for name, dtype in wanted.items()}:
            raise StageError(f"{self.asset}: table {self.name} has columns {dict(found)}, and not {wanted}")
        counts = {f"{c.name} {what}": count for c in declared for what, count in c.broken()}
        if not counts:
            return
        row = rows.select(count.alias(name) for name, count in counts.items()).collect(engine="streaming").row(0)
        for name, broken in zip(counts, row, strict=True):
            if broken:
                raise StageError(f"{self.asset}: in table {self.name} {broken} values of {name}")


def frame(rows: Sequence[Mapping[str, Any]], schema: pl.Schema) -> pl.DataFrame:
    """Rows as a frame with exactly the columns of the schema. A missing column is an error, an extra one too."""
    names = set(schema.names())
    for row in rows:
        if row.keys() != names:
            raise ValueError(f"columns differ from the schema: {sorted(set(row) ^ names)}")
    return pl.DataFrame(list(rows), schema=schema)


def first_trouble(error: ValidationError) -> str:
    """Where the first value stands that is not as it should be, and what is wrong with it."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


class Declared(BaseModel):
    """Named values of which each is declared by figure(): frozen, typed, no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """What a manifest holds. InputError that names the first value which is not what this release declares."""
        try:
            return cls.model_validate(stored)
        except ValidationError as error:
            raise InputError(first_trouble(error)) from None

    @classmethod
    def read_part(cls, stored: Mapping[str, Any]) -> Self:
        """Its own values among those that a manifest holds, whatever release stored the others. InputError as by `read`."""
        return cls.read({name: stored[name] for name in cls.model_fields if name in stored})

    def told(self) -> Iterator[tuple[FigureDeclaration, Any]]:
        """Every value beside its declaration, in the order of declaration."""
        for name, declared in declarations(type(self)).items():
            yield declared, getattr(self, name)


class Figures(Declared):
    """What a stage says of its result beside the tables: plain JSON under the names of the fields."""


def figure(
    label: str, meaning: str, *, unit: str = "", better: Better | None = None, compared_with: str = "", **field: Any
) -> Any:
    """A field of Figures: what people read as its name, what it means, its unit, and what to hold it against."""
    extra: dict[str, Any] = {"unit": unit, "better": better, "compared_with": compared_with}
    return Field(title=label, description=meaning, json_schema_extra=extra, **field)


@dataclass(frozen=True)
class FigureDeclaration:
    """A figure as it was declared."""

    name: str
    label: str
    meaning: str
    unit: str
    better: Better | None
    compared_with: str

    @classmethod
    def of(cls, name: str, field: FieldInfo) -> Self:
        extra = field.json_schema_extra
        if field.title is None or field.description is None or not isinstance(extra, dict):
            raise TypeError(f"{name} is not declared by figure()")
        return cls(name, field.title, field.description, **extra)  # type: ignore[arg-type]  # as figure() wrote them


def declarations(figures: type[Declared]) -> dict[str, FigureDeclaration]:
    """Every figure of a class by its name, in the order of the class."""
    return {name: FigureDeclaration.of(name, field) for name, field in figures.model_fields.items()}


class Funnel(Declared):
    """What came in, what fell for which reason, and what was left. A stage's own says by `came` and `left` what is counted."""

    came: ClassVar[str]
    left: ClassVar[str]

    taken: int = figure("taken", "what came in")
    lost: dict[str, int] = figure("lost", "what fell, by reason")
    kept: int = figure("kept", "what was left")

    @property
    def steps(self) -> dict[str, int]:
        """From top to bottom, the lost ones between what came in and what was left."""
        return {self.came: self.taken, **self.lost, self.left: self.kept}


@dataclass(frozen=True)
class Folder:
    """A folder of an asset: a model, a report. `name` is a pattern where there can be several."""

    name: str
    meaning: str


Told = TypeVar("Told", bound=Figures)


@dataclass(frozen=True)
class Contract(Generic[Told]):
    """Everything that an asset gives."""

    asset: str
    meaning: str
    figures: type[Told]
    tables: tuple[Table, ...] = ()
    folders: tuple[Folder, ...] = ()

    def table(self, name: str) -> Table:
        return next(table for table in self.tables if table.name == name)

    @property
    def shape(self) -> dict[str, Any]:
        """What of the declaration decides what is stored: names and types. Labels, meanings and limits only describe."""
        return {
            "tables": {table.name: {c.name: str(c.dtype) for c in table.columns} for table in self.tables},
            "folders": [folder.name for folder in self.folders],
            "figures": _shape(self.figures),
        }

    def check(self, tables: Mapping[str, pl.LazyFrame], folders: Sequence[str], figures: Figures) -> None:
        """Raise StageError when a stage gives something else than it declares."""
        declared = {table.name: table for table in self.tables}
        unknown = [name for name in tables if name not in declared]
        unknown += [name for name in folders if not any(fnmatch(name, folder.name) for folder in self.folders)]
        if unknown or not isinstance(figures, self.figures):
            what = ", ".join(unknown) or type(figures).__name__
            raise StageError(f"{self.asset} gives {what}, which it does not declare in schemas/{self.asset}.py")
        for name, rows in tables.items():
            declared[name].check(rows)


def inside(declared: type[Declared], name: str) -> list[type[Declared]]:
    """The classes of named values that a figure is made of: itself, or the members of a list or dictionary."""
    annotation = declared.model_fields[name].annotation
    return [
        kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type) and issubclass(kind, Declared)
    ]


def _shape(annotation: Any) -> Any:
    """A type as what is stored of it: names and types of figures, inside of whatever lists and dictionaries they stand."""
    if isinstance(annotation, type) and issubclass(annotation, Declared):
        return {name: _shape(field.annotation) for name, field in annotation.model_fields.items()}
    members = get_args(annotation)
    return [str(get_origin(annotation)), *map(_shape, members)] if members else str(annotation)
