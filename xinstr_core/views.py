"""What the views select that are made of other views: the lineage of every pair, and what people ask of builds and replies."""

from __future__ import annotations

from xinstr_core.schemas import candidate_pairs, refined_pairs
from xinstr_core.schemas.declaration import Table, declarations
from xinstr_core.schemas.diversified_set import SELECTED, TRAIN
from xinstr_core.schemas.eval_report import REPLIES, SCORES
from xinstr_core.schemas.history import HISTORY
from xinstr_core.schemas.lineage import LINEAGE, TRACED, TUNED_MODELS
from xinstr_core.schemas.metrics import OF_REPLIES
from xinstr_core.schemas.raw_corpus import DOCUMENTS
from xinstr_core.schemas.shared import Cost
from xinstr_core.schemas.views import BUILDS, CHANGES, REPLY_SCORES, ROLE_COSTS, USES

# A training row back to its document, and on to the model that learned from it.
_LINEAGE = f"""
SELECT {", ".join(f'{traced.table.view}."{traced.source}" AS "{traced.column.name}"' for traced in TRACED)}
FROM {candidate_pairs.PAIRS.view}
LEFT JOIN {DOCUMENTS.view} USING (language, doc_id)
LEFT JOIN {refined_pairs.PAIRS.view} USING (language, pair_id)
LEFT JOIN {SELECTED.view} USING (language, pair_id)
LEFT JOIN {TUNED_MODELS.view} ON {TUNED_MODELS.view}.language = {SELECTED.view}.language AND {SELECTED.view}.split = '{TRAIN}'
"""

_IS_LATEST = "time = max(time) OVER (PARTITION BY language, asset)"
_BUILDS = f"""
SELECT language, asset, time, {_IS_LATEST} AS latest, any_value(preset) AS preset,
    any_value(changed_settings) AS changed_settings, any_value(fingerprint) AS fingerprint,
    any_value(value) FILTER (figure = 'seconds') AS seconds, any_value(value) FILTER (figure = 'peak_memory') AS peak_memory
FROM {HISTORY.view}
GROUP BY language, asset, time
"""

# Every number of a build is joined with those of the build before it: one that only one of them has changed, too.
_IS_RESULT = f"split_part(figure, '.', 1) NOT IN ({', '.join(repr(name) for name in declarations(Cost))})"
_CHANGES = f"""
WITH builds AS (
    SELECT language, asset, time, changed_settings, lag(time) OVER earlier AS time_before,
        lag(changed_settings) OVER earlier AS settings_before
    FROM {BUILDS.view}
    WINDOW earlier AS (PARTITION BY language, asset ORDER BY time)
), now AS (
    SELECT language, asset, time, figure, value FROM {HISTORY.view} WHERE {_IS_RESULT}
), before AS (
    SELECT language, asset, builds.time, figure, value AS before
    FROM builds JOIN {HISTORY.view} AS old USING (language, asset)
    WHERE old.time = time_before AND {_IS_RESULT}
)
SELECT language, asset, time_before, time, figure, before, value, settings_before, changed_settings
FROM now FULL JOIN before USING (language, asset, time, figure) JOIN builds USING (language, asset, time)
WHERE time_before IS NOT NULL AND before IS DISTINCT FROM value
"""

_OF_ROLE = ", ".join(f"any_value(value) FILTER (name = '{name}') AS \"{name}\"" for name in USES)
_ROLE_COSTS = f"""
SELECT language, asset, time, latest, role, {_OF_ROLE}
FROM (
    SELECT language, asset, time, {_IS_LATEST} AS latest, value, split_part(figure, '.', 1) AS cost,
        split_part(figure, '.', 2) AS role, split_part(figure, '.', 3) AS name
    FROM {HISTORY.view}
)
WHERE cost = 'engines'
GROUP BY language, asset, time, latest, role
"""

_REPLY_SCORES = f"""
SELECT language, model, prompt_id, prompt_language, instruction, reply, finished, metric, value, better
FROM {REPLIES.view} AS replies
JOIN {SCORES.view} AS scores USING (language, model)
WHERE scores."case" = prompt_id AND scores.prompts = prompt_language
    AND metric IN ({", ".join(f"'{metric.name}'" for metric in OF_REPLIES)})
"""

# In an order in which each finds those that it is made of.
MADE_OF_VIEWS: tuple[tuple[Table, str], ...] = (
    (LINEAGE, _LINEAGE),
    (BUILDS, _BUILDS),
    (CHANGES, _CHANGES),
    (ROLE_COSTS, _ROLE_COSTS),
    (REPLY_SCORES, _REPLY_SCORES),
)
