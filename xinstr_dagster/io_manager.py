"""The IO manager: hands finished partitions from asset to asset, and trusts only what a manifest names.

The stage itself writes, atomically and resumably, through the core's store; what passes through Dagster is the
partition's handle, so no frame is ever copied between assets.
"""

from collections.abc import Mapping

import dagster as dg

from xinstr_core.errors import StageError
from xinstr_core.schemas import CONTRACTS
from xinstr_core.schemas.declaration import Table
from xinstr_core.store import Partition
from xinstr_dagster.resources import XinstrResource


class PartitionIOManager(dg.ConfigurableIOManager):
    """Outputs and inputs are `Partition` handles of the asset's name and the run's language."""

    xinstr: dg.ResourceDependency[XinstrResource]

    def handle_output(self, context: dg.OutputContext, obj: Partition) -> None:
        stored = self._stored(context.asset_key.path[-1], context.partition_key)
        if stored is None or stored.version != obj.version:
            raise StageError(f"{obj.asset} of {context.partition_key} is not in the store as reported: build it again")
        context.add_output_metadata({"folder": dg.MetadataValue.path(str(obj.path)), **_table_metadata(obj)})

    def load_input(self, context: dg.InputContext) -> Partition:
        asset = context.asset_key.path[-1]
        stored = self._stored(asset, context.partition_key)
        if stored is None:
            raise StageError(f"{asset} of {context.partition_key} was never built: materialise it first")
        return stored

    def _stored(self, asset: str, language: str) -> Partition | None:
        workspace = self.xinstr.workspace()
        workspace.language(language)  # a key that somebody typed is told as such
        return workspace.store.get(asset, language)


def _table_metadata(partition: Partition) -> dict[str, dg.MetadataValue]:
    """Row count and columns of every table; the first one, which is the asset's main one, is the asset's own to Dagster."""
    metadata: dict[str, dg.MetadataValue] = {}
    for number, (name, table) in enumerate(partition.tables.items()):
        columns = dg.MetadataValue.table_schema(_columns(CONTRACTS[partition.asset].table(name), table["schema"]))
        metadata[f"rows of {name}"] = dg.MetadataValue.int(table["rows"])
        metadata["dagster/column_schema" if number == 0 else f"columns of {name}"] = columns
        if number == 0:
            metadata["dagster/partition_row_count"] = dg.MetadataValue.int(table["rows"])
    return metadata


def _columns(table: Table, stored: Mapping[str, str]) -> dg.TableSchema:
    """The columns that a stored table has, each with what it means."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                stored[column.name],
                description=f"{column.meaning} ({column.unit})" if column.unit else column.meaning,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, other=[column.constraint] if column.constraint else None
                ),
            )
            for column in table.columns_of([*stored])
        ]
    )
