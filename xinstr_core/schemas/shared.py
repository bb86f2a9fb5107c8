"""What several assets tell alike: keys and texts of pairs, levels and scores, trainings, validations."""

from __future__ import annotations

import polars as pl

from xinstr_core.schemas.declaration import Column, Declared, figure

LANGUAGE = Column("language", pl.String, "key of the language, as in languages.toml")
PAIR_ID = Column(
    "pair_id",
    pl.String,
    "key of the pair: follows from document, prompt, reverse model, decoding, opening and sample number",
)
SEED_ID = Column("pair_id", pl.String, "key of the seed pair: follows from language, instruction and response")
DOC_ID = Column(
    "doc_id", pl.String, "key of the document that is the response: follows from language and normalised text"
)
INSTRUCTION = Column("instruction", pl.String, "what is asked, in English")
RESPONSE = Column(
    "response", pl.String, "the answer: natural text of the language, byte for byte a span of its document"
)
ROW_KEY = Column("row_key", pl.String, "key of everything that the row depends on: text, prompt, model, decoding")
CLUSTER_ID = Column("cluster_id", pl.Int64, "cluster of the instruction's embedding", minimum=0)

LEVELS = ("1", "2", "3")  # wrong, reasonable with a flaw, best
PROBABILITIES = tuple(f"p_level_{level}" for level in LEVELS)
SCORES = ("instruction_quality", "pair_fit")
RIGHT = "right_instruction"
RATINGS = (
    Column("p_level_1", pl.Float64, "probability that the pair is wrong", minimum=0, maximum=1),
    Column("p_level_2", pl.Float64, "probability that the pair is reasonable with a flaw", minimum=0, maximum=1),
    Column("p_level_3", pl.Float64, "probability that the pair is as good as a seed pair", minimum=0, maximum=1),
    Column("instruction_quality", pl.Float64, "score of the instruction by itself", minimum=0, maximum=1),
    Column("pair_fit", pl.Float64, "score of the response as an answer to the instruction", minimum=0, maximum=1),
    Column(
        RIGHT,
        pl.Float64,
        "probability that the instruction asks something like what a person would have asked of the text, if candidates are "
        "right as often as instructions that a model wrote of seed texts; only where the rating set has such instructions",
        minimum=0,
        maximum=1,
        optional=True,
    ),
)

WEB, SEED = "web", "seed"
SOURCE_TAG = Column(
    "source_tag", pl.String, "from web text or from a seed pair: decides the response prompt", values=(WEB, SEED)
)
TOKENS = "tokens"
ROWS = "rows"
NATS = "nats"
NATS_A_TOKEN = "nats a token"
SHARE = "share"


class TrainingFigures(Declared):
    """What a training tells."""

    rows: int = figure("rows", "distinct rows that were trained on", unit=ROWS)
    tokens_seen: int = figure("tokens seen", "tokens of all rows over all epochs, prompts included", unit=TOKENS)
    losses: list[list[float]] = figure(
        "losses", "mean loss of the steps since the last entry, as [step, loss]", unit=NATS_A_TOKEN
    )
    rejected_rows: list[list[str | int]] = figure(
        "rejected rows", "rows that could not be trained on, as [key, reason, tokens]"
    )
    held_out_losses: list[list[float]] = figure(
        "held-out losses",
        "mean loss of the rows that early stopping held out, as [step, loss]; empty without it",
        unit=NATS_A_TOKEN,
        default=[],
    )
    learned_step: int | None = figure(
        "learned step",
        "step whose weights were kept, the one of the lowest held-out loss; null without early stopping",
        default=None,
    )


class ValidationFigures(Declared):
    """How an evaluator does on held-out rows of the rating set. Each level weighs the same."""

    held_out_rows: int = figure(
        "held-out rows", "rows of the rating set that it has not learned from, those of known level", unit=ROWS
    )
    accuracy: float = figure(
        "accuracy",
        "rows whose likeliest level is the true one, each level weighing the same",
        unit=SHARE,
        better="higher",
        compared_with="a third by chance",
    )
    log_loss: float | None = figure(
        "log loss",
        "surprise at the true level; null where it is infinite",
        unit=NATS,
        better="lower",
        compared_with="1.099 by chance",
    )
    calibration_error: float = figure(
        "expected calibration error",
        "mean distance of confidence and accuracy over ten bins of confidence",
        unit=SHARE,
        better="lower",
    )
    auc_level_3: float | None = figure(
        "AUC of level 3",
        "level-3 probability of seed pairs against all flawed ones, 0.5 without one of them; null for rows of one level",
        better="higher",
        compared_with="0.5 by chance",
        default=None,
    )
    auc_shuffled: float | None = figure(
        "AUC of pair fit against shuffled pairs",
        "pair fit of seed pairs against responses under another pair's instruction",
        better="higher",
        compared_with="0.5 by chance",
        default=None,
    )
    auc_pair_fit: float | None = figure(
        "AUC of pair fit",
        "pair fit of rows that fit against rows that do not",
        better="higher",
        compared_with="0.5 by chance",
        default=None,
    )
    auc_instruction_quality: float | None = figure(
        "AUC of instruction quality",
        "instruction quality of good instructions against broken ones",
        better="higher",
        compared_with="0.5 by chance",
        default=None,
    )
    auc_generated: float | None = figure(
        "AUC of right instructions of a model",
        "right_instruction of a model's instructions that ask what the person asked, against that of instructions that ask "
        "something else; instructions in between are left out",
        better="higher",
        compared_with="0.5 by chance",
        default=None,
    )
    confusion: list[list[int]] = figure(
        "confusion (true level by predicted level)", "held-out rows, a line a true level", unit=ROWS
    )
    reliability: list[list[float]] = figure(
        "reliability (confidence, share right, rows)", "one entry a bin of confidence that has rows"
    )


class TrainingSpeed(Declared):
    """How fast a training was, of its steps in the run that ended it."""

    tokens_a_second: float = figure(
        "tokens a second", "trained on, prompts included, padding not", unit="tokens/s", better="higher"
    )
    trainable_tokens_a_second: float = figure(
        "trainable tokens a second", "of these, the ones with a label", unit="tokens/s", better="higher"
    )
    padding_share: float = figure(
        "padding share", "of what went through the model, tokens that fill shorter rows up", unit=SHARE, better="lower"
    )
    model_flops_utilisation: float = figure(
        "model FLOPs utilisation",
        "operations that the tokens need, of those that the machine does in matrix products meanwhile",
        unit=SHARE,
        better="higher",
    )


class EngineUse(Declared):
    """What one role of a stage had its engine do. Rows that were there before cost nothing and are not in it."""

    engine: str = figure("engine", "its kind and the base model")
    rows: int = figure(
        "rows", "requests that it answered; a label that is scored by a request of its own is one", unit=ROWS
    )
    prompt_tokens: int = figure(
        "tokens read", "of prompts and what was given after them", unit="tokens", better="lower"
    )
    cached_tokens: int = figure(
        "tokens read before", "of these, the ones that a server says it had read before", unit="tokens"
    )
    completion_tokens: int = figure("tokens written", "by it", unit="tokens", better="lower")
    retries: int = figure("retries", "tries of requests that came to nothing", better="lower")
    seconds: float = figure("seconds", "wall time in which it had something to do", unit="s", better="lower")
    gpu_seconds: float = figure("GPU seconds", "of these, on a GPU of this machine", unit="s", better="lower")
    money: float = figure("money", "by the prices that the settings give", better="lower")


class Cost(Declared):
    """What the run of a stage took. It describes: neither fingerprint nor version know it."""

    seconds: float = figure("seconds", "wall time of the run that made it", unit="s", better="lower")
    peak_memory: int = figure(
        "peak memory in MiB", "most memory that its process held meanwhile", unit="MiB", better="lower"
    )
    trainings: dict[str, TrainingSpeed] = figure(
        "speed of trainings", "of those that this run ended, by their folder", default={}
    )
    engines: dict[str, EngineUse] = figure(
        "use of engines",
        "by role, since the stage was first begun; of a run that was killed, its last batch, or last second, is not in it",
        default={},
    )


class Advises(Declared):
    """What a stage says whose result a person may have to do something about."""

    advice: str = figure("advice", "what to do about the result; empty where nothing has to be done", default="")


class TrainedOn(Declared):
    """What a stage that keeps trainings says, so that a later run that learns from the same takes them."""

    trained_on: dict[str, str] = figure(
        "trained on", "identity of what the training in each folder learned from", default={}
    )
