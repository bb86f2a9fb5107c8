"""A pair as others want to read it: chat messages, instruction and output, a prompt with a chosen and a rejected response."""

from __future__ import annotations

import polars as pl

from xinstr_core.schemas.declaration import Table


def as_chat(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns of CHAT or SEED_CHAT, and others, of rows with `instruction` and `response`."""
    return rows.with_columns(messages=pl.concat_list(_turn("user", "instruction"), _turn("assistant", "response")))


def as_alpaca(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns of ALPACA, and others, of the same."""
    return rows.with_columns(pl.lit("").alias("input"), pl.col("response").alias("output"))


def as_preferences(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns of PREFERENCES, and others, of rows with `instruction`, `chosen` and `rejected`."""
    return rows.with_columns(
        prompt=pl.concat_list(_turn("user", "instruction")),
        chosen=pl.concat_list(_turn("assistant", "chosen")),
        rejected=pl.concat_list(_turn("assistant", "rejected")),
    )


def as_alpaca_preferences(rows: pl.DataFrame) -> pl.DataFrame:
    """Columns of ALPACA_PREFERENCES, and others, of the same."""
    return rows.with_columns(pl.lit("").alias("input"))


def in_table(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """The columns of a table in their order and of their types. An error where one is missing."""
    return rows.select(pl.col(column.name).cast(column.dtype) for column in table.columns)


def _turn(role: str, column: str) -> pl.Expr:
    return pl.struct(pl.lit(role).alias("role"), pl.col(column).alias("content"))
