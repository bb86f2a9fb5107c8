"""What runs by itself: the registry's sensor always; weekly rebuilds and builds of new languages once switched on.

Both of the latter ship stopped: opening the UI must not load a laptop with ten builds that nobody asked for.
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from xinstr_core.errors import SettingsError
from xinstr_core.languages import active_languages, read_languages
from xinstr_core.workspace import Workspace, home_folder
from xinstr_dagster.assets import ASSETS, LANGUAGE_ASSETS
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


# A parent whose blocking check failed must not feed its children on a later tick: eager() alone does not look.
_FOLLOW = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
_START = dg.AutomationCondition.on_missing()
# The catalogue spans languages: eager() would wait until every one of them is built.
_COLLECT = (
    dg.AutomationCondition.any_deps_updated().since_last_handled() & ~dg.AutomationCondition.any_deps_in_progress()
)


def with_conditions(assets: list[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """Roots build when a language is new, the rest follows its parents."""
    roots = {asset.key for asset in LANGUAGE_ASSETS if not asset.dependency_keys}

    def condition(key: dg.AssetKey) -> dg.AutomationCondition[Any]:
        return _COLLECT if key == catalogue.key else _START if key in roots else _FOLLOW

    return [
        asset.map_asset_specs(lambda spec: spec.replace_attributes(automation_condition=condition(spec.key)))
        for asset in assets
    ]


build_new_languages = dg.AutomationConditionSensorDefinition(
    "build_new_languages",
    target=dg.AssetSelection.all(),
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Builds what is missing, and what follows from it",
)
