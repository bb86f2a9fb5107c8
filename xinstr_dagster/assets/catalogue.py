import dagster as dg

from xinstr_core.catalogue import build_catalogue
from xinstr_core.languages import read_languages
from xinstr_core.workspace import Workspace
from xinstr_dagster.board import board
from xinstr_dagster.metadata import markdown_table
from xinstr_dagster.report_pages import OVERVIEW
from xinstr_dagster.resources import XinstrResource


@dg.asset(
    deps=["raw_corpus", "candidate_pairs", "refined_pairs", "diversified_set", "tuned_model", "eval_report"],
    group_name="4_model",
    kinds={"duckdb"},
    owners=["team:xinstr"],
    description="DuckDB views over every finished partition, the lineage of each pair, and a board of languages by stage.",
)
def catalogue(context: dg.AssetExecutionContext, xinstr: XinstrResource) -> dg.MaterializeResult[None]:
    workspace = xinstr.workspace()
    built = build_catalogue(workspace.store)
    for line in built.left_out:
        context.log.warning(line)
    kept = Workspace(workspace.home)  # what is given for this run says nothing about other languages
    return dg.MaterializeResult(
        metadata={
            "reports": dg.MetadataValue.url(OVERVIEW),
            "path": dg.MetadataValue.path(str(built.path)),
            "left out": dg.MetadataValue.md(markdown_table([{"what cannot be read": line} for line in built.left_out])),
            "board": dg.MetadataValue.md(board(kept, read_languages(workspace.registry))),
        }
    )
