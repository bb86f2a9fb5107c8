"""Every setting of the line, declared once: its type, its bounds, what it means and why it has its value.

A preset's file (`presets/<name>.toml`) is laid over these declarations, then the user's `xinstr.toml`, the language's
entry in `languages.toml`, and what is given for one run (`presets/`). Unknown keys are errors that list the known ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from xinstr_core.cluster import RESTARTS


class Section(BaseModel):
    """Frozen, typed, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class CorpusSettings(Section):
    minimum_characters: int = Field(
        default=200, ge=1, description="shortest document; published responses reach down to about 200 characters"
    )
    maximum_characters: int = Field(
        default=2200,
        ge=50,
        description="longest span; longer documents are cut at paragraph borders, in a longer paragraph at sentences' ends (published mean about 1,150, sd about 530)",
    )
    identification_model: str | None = Field(
        default=None,
        description="a fastText model file, such as GlotLID's, as a further voter for languages that have an identification_label in languages.toml",
    )
    licences: tuple[str, ...] = Field(
        default=(),
        description="licences that a document may have; none named: all are taken, and the totals say which they are",
    )
    repair_mojibake: bool = Field(
        default=False,
        description="undo text that was decoded in a wrong encoding and mark the row, in place of refusing the page; a response is to be what somebody wrote",
    )
    refuse_personal_data: bool = Field(
        default=True,
        description="cut pages around lines, of long ones around sentences, with e-mail addresses, telephone, card or network numbers; a model would learn to say them",
    )
    evaluation_sets: tuple[str, ...] = Field(
        default=(),
        description="files of evaluation text, relative to languages.toml; `{language}` in a name is the language's key",
    )
    refuse_domains: tuple[str, ...] = Field(
        default=(),
        description="sites whose pages are refused, with all below them; `@sites.txt` takes a file beside languages.toml with one a line, such as a public block list",
    )
    refuse_words: tuple[str, ...] = Field(
        default=(),
        description="words and phrases with which a page is refused, as whole words and in any case; `@words.txt` takes a file with one a line",
    )
    ray_workers: int = Field(
        default=0,
        ge=0,
        description="processes of a Ray cluster that judge documents, where RAY_ADDRESS says or else on this machine (docs/ray.md); 0: as many processes of this machine as OMP_NUM_THREADS or its processors are; every document is judged by itself, so it is no reason to judge again",
    )
    near_duplicate_similarity: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Jaccard similarity of word shingles at which the later document is a duplicate; 0.8 as in FineWeb-2 and CulturaX",
    )
    maximum_overlap: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="share of a text that also stands in an earlier one, from which on it is refused: half, and what the estimate may err",
    )
    recurring_line_documents: int = Field(
        default=10,
        ge=2,
        description="documents of one source in which a line must stand to count as that source's boilerplate",
    )
    maximum_recurring_share: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="share of a document's characters in such lines; a title or a byline is less, a cookie notice or a footer page more",
    )
    maximum_broken_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of the corpus's files that may be cut off or damaged; above it the stage stops, since nobody knows how much they held",
    )
    maximum_lost_share: float = Field(
        default=0.9,
        ge=0,
        le=1,
        description="above this share of rejected rows the stage stops: the input is not what it claims to be",
    )

    @property
    def span_bounds(self) -> tuple[int, int]:
        """Fewest and most characters of a span."""
        return self.minimum_characters, self.maximum_characters

    @model_validator(mode="after")
    def _range_is_not_empty(self) -> Self:
        if self.minimum_characters > self.maximum_characters:
            raise ValueError(
                f"minimum_characters {self.minimum_characters} is above maximum_characters {self.maximum_characters}"
            )
        return self


class SeedSettings(Section):
    """What becomes of seed pairs that are not (English instruction, response in the language) yet."""

    translator: str | None = Field(
        default=None,
        description="a sequence-to-sequence translation model (NLLB, M2M-100, MADLAD-400, Marian), directory or hub id; without one a pair that needs translation is refused with that reason",
    )
    translate_responses: bool = Field(
        default=False,
        description="translate the responses of English pairs into the language; off, they stay English, since a translation teaches translationese",
    )
    maximum_new_tokens: int = Field(
        default=512, ge=1, description="per translated text; a translation cut off there is refused"
    )
    batch_rows: int = Field(default=16, ge=1, description="texts translated at once")


class TrainingSettings(Section):
    """How a model is trained."""

    method: Literal["lora", "full"] = Field(
        default="lora", description="a LoRA adapter, or all weights; an adapter fits beside the model in memory"
    )
    epochs: float = Field(default=3, gt=0, description="passes over the rows")
    learning_rate: float = Field(
        default=1e-4, gt=0, description="peak; 1e-4 is the common LoRA value for billions of parameters"
    )
    schedule: Literal["cosine", "linear", "constant"] = Field(
        default="cosine",
        description="of the learning rate after the warm-up: down to nothing along half a cosine or a line, or as it is; cosine as in the recipes we follow",
    )
    warmup_share: float = Field(
        default=0.03,
        ge=0,
        lt=1,
        description="of the steps, over which the learning rate rises from nothing to its peak; the value common to the recipes we follow; 0: the first step has the peak",
    )
    weight_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="of AdamW (arXiv 1711.05101), times the learning rate; 0 as in Alpaca and QLoRA: of an adapter it draws the weights to those of the base, which few epochs hardly leave",
    )
    averaged_checkpoints: int = Field(
        default=0,
        ge=0,
        le=50,
        description="points of the training whose weights' mean is what is learned, instead of the last weights (arXiv 2305.16834); each is a file of weights while it trains; 0 or 1: off, since likelihood gains a hundredth and right replies get fewer (docs/decisions/0018)",
    )
    averaged_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="last part of the steps over which these points are spread evenly; all, as published: where the learning rate falls to nothing, means of the last part are the last weights but for a ten-thousandth of a nat (docs/decisions/0018)",
    )
    early_stop_patience: int = Field(
        default=0,
        ge=0,
        description="of ten looks at rows held out from training, how many in a row may be no better before it stops; the weights of the best one are what is learned; 0: no rows are held out, since few-row languages have none to spare",
    )
    early_stop_share: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="of different rows, held out for that; of a hundred rows ten, some thousand tokens",
    )
    rank: int = Field(default=64, ge=1, description="LoRA rank; 64 keeps the adapter from being the limit")
    batch_rows: int = Field(
        default=32,
        ge=1,
        description="rows per optimizer step; how many go through the model at once follows from memory",
    )
    activation_checkpointing: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="layers computed again on the way back, a third more work for a fraction of the memory; auto: of "
        "rows that are longer than what goes through the model at once",
    )
    packing: bool = Field(
        default=False,
        description="rows go through the model one behind another in place of side by side, and see nothing of each other: no padding, but attention is masked over all of them; of pocket rows 7 % are padding side by side, since they are grouped by length, and 2 % packed",
    )
    maximum_tokens: int = Field(default=2048, ge=16, description="longer rows are rejected with a reason, never cut")
    processes: int = Field(
        default=1,
        ge=1,
        le=64,
        description="processes of this machine that share the rows of every step, each with the whole model, and a GPU where there are some; the model that comes out is that of one but for rounding, so it is no reason to train again",
    )
    seed: int = Field(default=0, ge=0, description="of weights and row order")

    @property
    def averages(self) -> bool:
        """Whether a mean of several weights is learned; of one it is that one."""
        return self.averaged_checkpoints > 1

    @model_validator(mode="after")
    def _weights_are_chosen_in_one_way(self) -> Self:
        if self.averages and self.early_stop_patience:
            raise ValueError(
                "averaged_checkpoints and early_stop_patience both say which weights are learned: set one of them to 0"
            )
        return self


class ReverseModelSettings(TrainingSettings):
    maximum_seed_pairs: int = Field(
        default=3200, ge=1, description="seed pairs used, chosen by key; Humpback used 3,200"
    )


class GenerationSettings(Section):
    temperature: float = Field(default=0.7, ge=0, description="0 is greedy; 0.7 as in the released inference script")
    top_p: float = Field(default=0.9, gt=0, le=1, description="nucleus; 0.9 as in the released inference script")
    guidance: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="how much what a text adds to a token's likelihood counts beyond the likelihood itself, as in classifier-free guidance (arXiv 2306.17806): more instructions ask for this text and not for any; 0: not at all, as published",
    )
    maximum_new_tokens: int = Field(
        default=128, ge=1, description="an instruction is at most a few sentences; 128 stands in the released script"
    )
    maximum_instruction_characters: int = Field(
        default=400,
        ge=10,
        description="over-long instructions are rejected; published mean 97-112, sd 80-88, so 400 is beyond 3 sd",
    )
    batch_rows: int = Field(
        default=64,
        ge=1,
        description="prompts per forward pass, and the unit of resume; 64 was the best batch measured on CPU",
    )
    maximum_documents: int = Field(
        default=500_000, ge=1, description="documents a language that get an instruction, chosen by key"
    )
    candidates: int = Field(
        default=1, ge=1, le=16, description="instructions sampled for each text; curation keeps the best one of a text"
    )
    guided_candidates: int = Field(
        default=0,
        ge=0,
        le=16,
        description="further instructions of each text that open as a real user's request opens: more kinds of requests than a reverse model asks by itself",
    )
    openings: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)], ...] = Field(
        default=(),
        max_length=16,
        description="a further instruction of each text for every one of these, that opens so: requests that a text of its kind answers whatever it is about",
    )
    chosen_candidates: int = Field(
        default=0,
        ge=0,
        le=32,
        description="of the instructions of a text so many are rated, those whose likelihood gains most from it; 0: all",
    )
    minimum_gain: float = Field(
        default=0.0,
        ge=0,
        description="nats a token that a text must add to the likelihood of an instruction, else it is not rated: texts that answer nothing cost no more; 0: whatever it adds",
    )
    require_self_contained: bool = Field(
        default=True,
        description="refuse texts that open in the middle of an argument; published pairs hold such fragments",
    )
    maximum_failed_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of rows that an engine may fail on; above it the engine is at fault and the stage stops",
    )
    seed: int = Field(default=0, ge=0, description="of sampling; each row derives its own")

    @property
    def chooses_by_gain(self) -> bool:
        """Whether what a text adds to its instructions has to be known."""
        return self.chosen_candidates > 0 or self.minimum_gain > 0


# What a pair of the rating set can be made of, beside the seed pair as it stands: see curation/rating_set.py.
Construction = Literal[
    "cut_off",
    "other_ending",
    "weaker_response",
    "near_instruction",
    "other_instruction",
    "other_request",
    "echo",
    "disordered",
    "base_response",
    "wrong_language",
    "broken_instruction",
    "quoted_instruction",
    "generated",
]


class EvaluatorSettings(TrainingSettings):
    constructions: tuple[Construction, ...] = Field(
        default=(
            "cut_off",
            "other_ending",
            "near_instruction",
            "other_instruction",
            "other_request",
            "echo",
            "disordered",
            "wrong_language",
            "broken_instruction",
            "quoted_instruction",
        ),
        description="flaws that the rating set shows; those that cost no generation",
    )
    signals: tuple[Literal["surprise", "gain", "coherence", "grounding", "neighbours", "level"], ...] = Field(
        default=("surprise", "grounding", "neighbours"),
        description="what ratings are read from: surprise of model and adapter, what text and instruction add to each other's likelihood, words of the instruction that its text lacks, what is asked of the seeds most alike, the level that an adapter trained to write it would write",
    )
    head_terms: Literal["signals", "products"] = Field(
        default="signals",
        description="what the level is read from: signals, or products of two of them as well, which some hundred rows and a dozen signals are enough for",
    )
    written_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="share of the seeds for which models write weaker and untuned responses: writing them for all 200 seeds took Gemma 3 270M longer than the rest of the stage; what fewer lose, the page says of each construction",
    )
    held_out_share: float = Field(
        default=0.2, gt=0, lt=1, description="share of seed pairs whose rating rows only validate"
    )
    head_share: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="share of the other seed pairs from which the head learns and the adapter does not; a quarter gives the head ten rows a weight with 150 seeds",
    )
    minimum_accuracy: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="held-out accuracy on three levels below which the evaluator may not gate, each level weighing the same; chance is a third",
    )
    minimum_held_out_rows: int = Field(
        default=30,
        ge=2,
        description="distinct held-out rows without which the evaluator may not gate; at 30 an accuracy of 0.7 is known to about +-0.16",
    )
    maximum_seed_pairs: int = Field(
        default=2000, ge=1, description="seed pairs that the rating set is built from, chosen by key"
    )

    @field_validator("constructions", "signals")
    @classmethod
    def _each_is_named_once(cls, chosen: tuple[str, ...]) -> tuple[str, ...]:
        if not chosen or len(set(chosen)) < len(chosen):
            raise ValueError("at least one is needed, and none twice")
        return chosen

    @field_validator("constructions")
    @classmethod
    def _both_levels_are_shown(cls, chosen: tuple[Construction, ...]) -> tuple[Construction, ...]:
        reasonable = {"cut_off", "other_ending", "weaker_response"}
        if not reasonable.intersection(chosen) or reasonable.issuperset(chosen):
            raise ValueError(f"one of {', '.join(sorted(reasonable))} is needed, and one of the others")
        return chosen


class CurationSettings(Section):
    rounds: int = Field(
        default=2,
        ge=1,
        le=5,
        description="label-keep-retrain rounds; a round that is worse on the held-out rows is discarded",
    )
    minimum_top_probability: float = Field(
        default=0.5, ge=0, le=1, description="probability of level 3 from which a pair is kept"
    )
    wanted_precision: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of right ones that is wanted among what is kept: decides how many are, in place of minimum_top_probability; needs the construction generated; 0: not asked for",
    )
    minimum_precision: float = Field(
        default=0.6,
        ge=0,
        le=1,
        description="share of right ones among held-out instructions of a model, kept in the same way, or among pairs that people labelled in an audit, under which nothing is called curated; with 30 kept it is known to about +-0.17",
    )
    minimum_instruction_quality: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="score of the instruction by itself from which a pair is kept; under a half, since the score takes good and broken ones for equally many and a reverse model writes few broken ones",
    )
    minimum_pair_fit: float = Field(
        default=0.5, ge=0, le=1, description="score of the response as an answer to it from which a pair is kept"
    )
    stop_agreement: float = Field(
        default=0.95,
        gt=0,
        le=1,
        description="share of candidates on which two rounds keep or drop alike, from which on no further round is run",
    )
    round_epochs: float = Field(
        default=1, gt=0, description="epochs of each further round, which starts from the adapter before it"
    )
    maximum_added_pairs: int = Field(
        default=2000,
        ge=0,
        description="kept pairs that a further round's adapter learns from beside the seeds, best first",
    )


class AuditSettings(Section):
    rows: int = Field(
        default=100,
        ge=1,
        description="rows a language of the file that a person labels blind; a share of 0.9 is known to +-0.06 then",
    )


class DiversitySettings(Section):
    target_rows: int = Field(default=32_000, ge=1, description="rows a language, as published")
    rows_per_cluster: int = Field(
        default=16,
        ge=1,
        description="K = target_rows / this, between the 1,000 and 3,000 clusters that suit 32,000 rows",
    )
    encoder: str = Field(
        default="base-model",
        description="'base-model' (mean of its last hidden states) or a sentence-transformers directory or hub id",
    )
    method: Literal["clusters", "mmr"] = Field(
        default="clusters",
        description="even quotas of the clusters, best rated first; or maximal marginal relevance over all rows, which costs more and is more varied",
    )
    relevance_weight: float = Field(
        default=0.5, ge=0, le=1, description="of the rating against novelty, for method 'mmr'; 0.5 weighs both alike"
    )
    maximum_similarity: float = Field(
        default=0.92,
        gt=0,
        le=1,
        description="cosine to a taken instruction (for method 'clusters' of the same cluster) above which a row is passed over; 1 takes both",
    )
    maximum_topic_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="share of the selection that one topic may have; 1 looks for no topics, which an encoder that knows no topics needs",
    )
    held_out_rows: int = Field(default=64, ge=0, description="rows kept out of tuning for held-out likelihood")
    map_rows: int = Field(
        default=1000, ge=0, description="instructions on the report's map; more points hide each other"
    )
    seed: int = Field(default=0, ge=0, description="of k-means")


# What a preference training holds against the natural response of a pair: see curation/preferences.py.
PreferenceKind = Literal["other_text", "wrong_language", "language_switch", "cut_off", "weaker", "untuned"]


class TuningSettings(TrainingSettings):
    include_seeds: bool = Field(
        default=True, description="mix seed pairs in the language with the curated pairs, as published"
    )
    preferences: tuple[PreferenceKind, ...] = Field(
        default=(),
        description="after tuning, prefer the natural response of a pair to another one to the same instruction: another text's, one in the wrong language, its own beginning that goes on in another language, itself cut off, what weaker models wrote of seeds for the evaluator, what the base model writes; none named: no such step",
    )
    preference_triples: int = Field(
        default=2000, ge=2, description="how many, shared evenly among the kinds; a tenth of their pairs only measures"
    )
    preference_beta: float = Field(
        default=0.1,
        gt=0,
        description="what a difference of log-probabilities counts: the higher, the less the model moves away from what it was (DPO, arXiv 2305.18290, uses 0.1)",
    )
    preference_likelihood_weight: float = Field(
        default=1.0,
        ge=0,
        description="of the cross entropy of the chosen side beside it: the difference alone also grows while both sides get less likely (RPO, arXiv 2404.19733, uses 1)",
    )
    preference_learning_rate: float = Field(
        default=5e-6,
        gt=0,
        description="peak, a twentieth of that of tuning: nothing is to be learned but which of two, and the rejected side can be made unlikely without end",
    )
    preference_epochs: float = Field(
        default=1, gt=0, description="passes over the triples; recipes of this family make one to three"
    )

    @property
    def preference_training(self) -> TrainingSettings:
        """How preferences are trained: as tuning is, but for these."""
        shared = self.model_dump(include=set(TrainingSettings.model_fields))
        own = {"learning_rate": self.preference_learning_rate, "epochs": self.preference_epochs}
        # Its rows count each by itself, its end is chosen by no held-out rows, and it is over in minutes.
        off = {"packing": False, "averaged_checkpoints": 0, "early_stop_patience": 0, "processes": 1}
        return TrainingSettings(**shared | own | off)

    @field_validator("preferences")
    @classmethod
    def _each_kind_is_named_once(cls, chosen: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(chosen)) < len(chosen):
            raise ValueError("no kind may be named twice")
        return chosen


# What a comparison model is tuned on: see evaluation/arms.py.
Arm = Literal["selected", "seed_only", "uncurated", "random", "top_half", "bottom_half", "english_only", "pinch"]


class EvaluationSettings(Section):
    maximum_prompts: int = Field(default=96, ge=1, description="prompts per kind; 96 give about +-0.05 at 0.95")
    maximum_new_tokens: int = Field(default=512, ge=1, description="per reply")
    repetition_penalty: float = Field(
        default=1.0,
        ge=1,
        le=2,
        description="what the score of a token that a reply has already is divided by; 1: replies tell what the model does by itself, in loops too, in which small ones end; 1.1 ended all of SmolLM2's (benchmarks/chat_format.md)",
    )
    bootstrap_samples: int = Field(default=1000, ge=100, description="resamples of a 95 % percentile interval")
    minimum_cases: int = Field(
        default=20,
        ge=2,
        description="of fewer nothing is concluded, and a mean that is no share has no interval: a bootstrap one of 20 holds the truth in 0.92 of cases for normal and 0.90 for exponential values, of 10 in 0.88",
    )
    batch_rows: int = Field(default=32, ge=1, description="prompts per forward pass")
    arms: tuple[Arm, ...] = Field(
        default=(),
        description="further models tuned for comparison, each on as many rows and steps as the smallest; each costs a training",
    )
    english_pairs: str = Field(
        default="",
        description="file of English pairs, relative to languages.toml, that the arms english_only and pinch are tuned on; none named: the language's seeds with English responses, for the embedded world's seeds that world's English pairs",
    )
    english_learning_rate_share: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="of tuning.learning_rate, the rate of the arm english_only: small rates keep replies in the language that is asked for (arXiv 2402.14778); a tenth is ours",
    )
    pinch_rows: int = Field(
        default=40,
        ge=2,
        description="rows of the arm pinch that are not English, each once; 40 as published (arXiv 2401.01854)",
    )
    pinch_languages: tuple[str, ...] = Field(
        default=(),
        max_length=4,
        description="registered languages whose seeds give rows of the arm pinch beside the language's own, three at most; none named: the first two of the registry, of the embedded world for it alone; two to four languages in all, as published",
    )
    seed: int = Field(default=0, ge=0, description="of the bootstrap")


# Settings of an engine that mean something for some kinds alone.
NEVER_SHOWN = {"address", "key_variable"}  # where somebody may have typed a key
_ONLY_OF = {
    "precision": ("transformers", "vllm"),
    "python": ("vllm",),
    "memory_share": ("vllm",),
    "tensor_parallel": ("vllm",),
    "address": ("openai",),
    "model": ("openai",),
    "actors": ("vllm", "transformers"),
}


class EngineSettings(Section):
    """What runs a model. Of a role only what it says itself differs from `engines.default`, unless its kind is another."""

    kind: Literal["transformers", "vllm", "openai"] = Field(
        default="transformers",
        description="transformers: in this process; vllm: vLLM, in a process that is started for it; openai: a server that speaks the OpenAI API and serves the base model (tried with vLLM, and with llama.cpp, which scores nothing, as writer). Both are asked by token ids, so that prompts are those of the base model's own tokenizer",
    )
    precision: Literal["float32", "bfloat16"] | None = Field(
        default=None, description="in which transformers or vllm hold the weights; none: the base model's"
    )
    python: str = Field(
        default="",
        description="of vllm: the Python of an environment that has vLLM, since vLLM wants other versions than the rest; a path that begins with /, or a command",
    )
    memory_share: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="of vllm: part of the device's memory that it takes, for weights and what it keeps of prompts; none: what vLLM takes of a GPU by itself, and on a processor, where other things live, 1 GiB beside the weights",
    )
    tensor_parallel: int = Field(
        default=1, ge=1, description="of vllm: GPUs that share every layer, for a model that does not fit one"
    )
    address: str = Field(
        default="",
        description="of a server's API, such as http://127.0.0.1:8000/v1; in no fingerprint, so that a server may move; a key does not belong in it",
    )
    model: str = Field(
        default="",
        description="the base model's name on the server; none: what base_model says, or the one that it serves",
    )
    key_variable: str = Field(
        default="OPENAI_API_KEY",
        description="environment variable with the server's key, from which alone it is taken; not set: no key is sent",
    )
    requests_at_once: int | None = Field(
        default=None,
        ge=1,
        description="most requests under way; none: 256 in vllm, as many as it works at by default, and 64 to a server, where how many there are follows it: more while it keeps pace, half when it refuses or fails too often (docs/decisions/0023)",
    )
    timeout_seconds: float = Field(
        default=300.0, gt=0, description="a request without an answer for so long is sent again: a queue may be as long"
    )
    retry_seconds: float = Field(
        default=600.0,
        ge=0,
        description="a request is tried again, later each time, until so long after its first failure; ten minutes outlast the restart of a server",
    )

    actors: int = Field(
        default=0,
        ge=0,
        description="of transformers and vllm: processes of a Ray cluster that hold such an engine each, where RAY_ADDRESS says or else on this machine (docs/ray.md); 0: the engine is here. Rows are those of the engine here, so it is in no key and no fingerprint",
    )
    actor_cpus: int = Field(
        default=1,
        ge=1,
        description="processors that an actor takes, and threads with which it computes; as many as OMP_NUM_THREADS here give the same last bits",
    )
    actor_gpus: int | None = Field(
        default=None,
        ge=0,
        description="GPUs that an actor takes; none: as many as the engine would here, where the cluster has GPUs",
    )
    actor_restarts: int = Field(
        default=RESTARTS,
        ge=0,
        description="how often each actor may be lost before its stage ends in a line: enough for machines that are taken away, few enough for a row that kills whatever reads it",
    )

    price_prompt: float = Field(default=0.0, ge=0, description="of a million prompt tokens, in any currency")
    price_cached: float | None = Field(
        default=None,
        ge=0,
        description="of a million prompt tokens that the server had read before; none: as price_prompt",
    )
    price_completion: float = Field(default=0.0, ge=0, description="of a million tokens that are written")
    price_hour: float = Field(
        default=0.0,
        ge=0,
        description="of an hour in which it has something to do, as of a rented GPU; of all its actors together",
    )

    @property
    def is_here(self) -> bool:
        """Whether it is in this process."""
        return self.kind == "transformers"

    @property
    def serves_adapters(self) -> bool:
        """Whether one such engine is the base and all of its adapters at once."""
        return self.kind == "vllm"

    @property
    def rows_at_once(self) -> int:
        """Most requests under way."""
        return self.requests_at_once or (256 if self.kind == "vllm" else 64)

    @property
    def gpus(self) -> int:
        """How many of this machine it works with, where there are some."""
        return {"transformers": 1, "vllm": self.tensor_parallel, "openai": 0}[self.kind]

    @property
    def gpus_here(self) -> int | None:
        """How many this process has to take for it; None where actors, which may be on this machine, take their own."""
        return None if self.actors else self.gpus

    @field_validator("address")
    @classmethod
    def _is_an_address_without_a_key(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s?#@]+", value):
            raise ValueError(
                "an address begins with http:// or https://, and has no user, ? or #: a key belongs in the environment"
            )
        return value

    @field_validator("key_variable")
    @classmethod
    def _is_the_name_of_a_variable(cls, value: str) -> str:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
            raise ValueError("the name of an environment variable is wanted, and not the key")
        return value

    @model_validator(mode="after")
    def _each_kind_has_what_is_its_own(self) -> Self:
        if self.kind == "openai" and not self.address:
            raise ValueError(f"an engine of kind {self.kind} needs an address, such as http://127.0.0.1:8000/v1")
        if self.kind == "vllm" and not self.python:
            raise ValueError(
                "an engine of kind vllm needs python, of an environment with vLLM: /path/to/venv/bin/python"
            )
        for name, kinds in _ONLY_OF.items():
            if self.kind not in kinds and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f'{name} is of {" and ".join(kinds)}: say kind = "{kinds[-1]}" too')
        return self

    def called(self, base: str) -> str:
        """Its name in what is told of it, with the base model's."""
        return f"{self.kind} {self.model or base}" + (f", {self.actors} actors" if self.actors else "")

    @property
    def has_price(self) -> bool:
        return any((self.price_prompt, self.price_cached, self.price_completion, self.price_hour))

    def identity(self) -> dict[str, str]:
        """What keys and fingerprints know of it: nothing of this process's own kind, and never where a server is."""
        held: dict[str, str] = {} if self.precision is None else {"precision": self.precision}
        return held if self.is_here else {"kind": self.kind, "model": self.model, **held}


_AS_DEFAULT = Field(default=None, description="as engines.default, unless it is a table of the same keys")


class EnginesSettings(Section):
    """Which engine plays which role."""

    default: EngineSettings = EngineSettings()
    reader: EngineSettings | None = _AS_DEFAULT
    reverse: EngineSettings | None = _AS_DEFAULT
    rater: EngineSettings | None = _AS_DEFAULT
    writer: EngineSettings | None = _AS_DEFAULT
    tuned: EngineSettings | None = _AS_DEFAULT
    encoder: EngineSettings | None = Field(
        default=None,
        description="as engines.default where that is transformers, and else transformers: no other kind embeds as the base model does here",
    )

    @model_validator(mode="before")
    @classmethod
    def _roles_begin_with_the_default(cls, values: Any) -> Any:
        if not isinstance(values, Mapping) or not isinstance(default := values.get("default", {}), Mapping):
            return values
        kind = default.get("kind", EngineSettings().kind)
        return {
            role: {**default, **said} if isinstance(said, Mapping) and said.get("kind", kind) == kind else said
            for role, said in values.items()
        }

    def of(self, role: str) -> EngineSettings:
        default = self.default if role != "encoder" or self.default.is_here else EngineSettings()
        found: EngineSettings = getattr(self, role) or default
        return found

    def without_actors(self) -> EnginesSettings:
        """The same engines, each in this process or one that is started for it."""
        chosen = {role: found for role in type(self).model_fields if (found := getattr(self, role)) is not None}
        return self.model_copy(update={role: one.model_copy(update={"actors": 0}) for role, one in chosen.items()})

    @property
    def have_prices(self) -> bool:
        """Whether what any role does costs money."""
        return any(self.of(role).has_price for role in type(self).model_fields if role != "default")


class Settings(Section):
    """All settings of one build."""

    base_model: str = Field(
        default="pocket", min_length=1, description="'pocket', a local directory, or a Hugging Face hub id"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="in which the base model is held, read and trained: auto is bfloat16 where the device has instructions for it, which is about twice as fast; what is trained, and every score, stays float32",
    )
    prompt_format: Literal["auto", "plain", "chat"] = Field(
        default="auto",
        description="how reverse model, evaluator and tuned model are asked: plain text, or the turns of the tokenizer's own chat template; auto is chat where the base model has one, since that is the form it was taught",
    )
    system_text: str = Field(
        default="",
        description="a system turn before every prompt of a chat model; empty: none, and a template's own default stands",
    )
    engines: EnginesSettings = EnginesSettings()
    corpus: CorpusSettings = CorpusSettings()
    seeds: SeedSettings = SeedSettings()
    reverse_model: ReverseModelSettings = ReverseModelSettings()
    generation: GenerationSettings = GenerationSettings()
    evaluator: EvaluatorSettings = EvaluatorSettings()
    curation: CurationSettings = CurationSettings()
    audit: AuditSettings = AuditSettings()
    diversity: DiversitySettings = DiversitySettings()
    tuning: TuningSettings = TuningSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @model_validator(mode="after")
    def _instructions_can_be_judged(self) -> Self:
        generated = "generated" in self.evaluator.constructions
        if generated and self.diversity.encoder == "base-model":
            raise ValueError(
                "the construction generated compares meanings: name a sentence encoder in diversity.encoder"
            )
        if generated and not {"surprise", "gain"}.intersection(self.evaluator.signals):
            raise ValueError("the construction generated needs an adapter that writes: add gain to evaluator.signals")
        if self.curation.wanted_precision and not generated:
            raise ValueError("curation.wanted_precision needs the construction generated in evaluator.constructions")
        return self
