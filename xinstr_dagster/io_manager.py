"""The IO manager: hands finished partitions from asset to asset, and trusts only what a manifest names.

The stage itself writes, atomically and resumably, through the core's store; what passes through Dagster is the
partition's handle, so no frame is ever copied between assets.
"""

import dagster as dg

from xinstr_core.errors import StageError
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
        return self.xinstr.workspace().store.get(asset, language)


def _table_metadata(partition: Partition) -> dict[str, dg.MetadataValue]:
    """Row count and column schema of the first table, which is the asset's main one; counts of the others."""
    metadata: dict[str, dg.MetadataValue] = {}
    for number, (name, table) in enumerate(partition.tables.items()):
        metadata[f"rows of {name}"] = dg.MetadataValue.int(table["rows"])
        if number == 0:
            columns = [dg.TableColumn(column, dtype) for column, dtype in table["schema"].items()]
            metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(dg.TableSchema(columns=columns))
            metadata["dagster/partition_row_count"] = dg.MetadataValue.int(table["rows"])
    return metadata
