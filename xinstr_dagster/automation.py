"""What runs by itself: the registry's sensor always; weekly rebuilds and builds of new languages once switched on.

Both of the latter ship stopped: opening the UI must not load a laptop with ten builds that nobody asked for.
"""

import warnings
from collections.abc import Iterator
from typing import Any

import dagster as dg

from xinstr_core.errors import SettingsError
from xinstr_core.languages import active_languages, read_languages
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.assets import ASSETS
from xinstr_dagster.assets.catalogue import catalogue
from xinstr_dagster.partitions import forget_languages, sync_languages

# Catalogue included: a build is only done when its rows can be followed.
build_language = dg.define_asset_job(
    "build_language",
    selection=dg.AssetSelection.assets(*ASSETS),
    description="The whole line for one language",
)


@dg.sensor(
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Adds the languages of languages.toml, and removes keys that are not there and hold no data",
)
def language_registry(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Registered languages become partitions, and keys without entry and data go. A wrong registry is reported and changes nothing."""
    workspace = Workspace(home_folder())
    try:
        registered = read_languages(workspace.registry)
    except SettingsError as error:
        return dg.SkipReason(f"registry not usable: {error}")
    tags = [tag for tag, language in registered.items() if not language.retired]
    new = sync_languages(context.instance, tags)
    gone = forget_languages(context.instance, registered, workspace.store)
    said = [f"{what} {', '.join(keys)}" for what, keys in (("added", new), ("removed", gone)) if keys]
    return dg.SkipReason("; ".join(said) or f"all {len(tags)} languages are known")


@dg.schedule(job=build_language, cron_schedule="0 3 * * 0", description="Rebuilds every active language, Sundays at 3")
def weekly_rebuild(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """One run a language. Stages whose inputs did not change find that out and do nothing."""
    day = context.scheduled_execution_time.strftime("%Y-%m-%d")
    tags = sorted(active_languages(home_folder() / "languages.toml"))
    sync_languages(context.instance, tags)  # one language that the instance does not know would stop the whole tick
    for tag in tags:
        yield dg.RunRequest(run_key=f"{day}-{tag}", partition_key=tag)


class Registered(dg.AutomationCondition[dg.AssetKey]):
    """True of the languages that the registry has as active: what is retired or was taken out is not built unasked."""

    @property
    def description(self) -> str:
        return "The language is registered and not retired"

    def evaluate(self, context: dg.AutomationContext[dg.AssetKey]) -> dg.AutomationResult[dg.AssetKey]:
        try:
            tags = set(active_languages(home_folder() / "languages.toml"))
        except SettingsError:  # which the sensor of the registry tells
            tags = set()
        return dg.AutomationResult(context, context.candidate_subset.compute_intersection_with_partition_keys(tags))


# Asked for once, from the first look on: a run that a user stopped does not start again by itself.
_MISSING = (
    dg.AutomationCondition.missing()
    .newly_true()
    .since(dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated())
    .with_label("missing and not asked for yet")
)
# As AutomationCondition.eager(), which asks for nothing that was missing before its first look, and feeds the children
# of a parent whose blocking check failed.
_LANGUAGE = (
    (
        (_MISSING & ~dg.AutomationCondition.execution_failed())
        | dg.AutomationCondition.any_deps_updated().since_last_handled()
    )
    & ~dg.AutomationCondition.any_deps_missing()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
    & dg.AutomationCondition.all_deps_blocking_checks_passed()
    & Registered()
)
# The catalogue spans languages: eager() would wait until every one of them is built.
_COLLECT = (
    dg.AutomationCondition.any_deps_updated().since_last_handled() & ~dg.AutomationCondition.any_deps_in_progress()
)


def with_conditions(assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """What is missing of a language is built, and follows its parents from then on."""

    def condition(key: dg.AssetKey) -> dg.AutomationCondition[Any]:
        return _COLLECT if key == catalogue.key else _LANGUAGE

    return [
        asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=condition(spec.key)))
        for asset in assets
    ]


with warnings.catch_warnings():
    # A beta of the pinned version: its notice says nothing that a user could act on.
    warnings.simplefilter("ignore", dg.BetaWarning)
    build_new_languages = dg.AutomationConditionSensorDefinition(
        "build_new_languages",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.STOPPED,
        use_user_code_server=True,  # the daemon knows no conditions but Dagster's
        description="Builds what registered languages miss and no run builds or failed to build, and what follows from it",
    )
