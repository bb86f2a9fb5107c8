"""Memory and time of every stage before anything is loaded, and whether it fits this machine."""

from __future__ import annotations

from dataclasses import dataclass

from xinstr_core.engines.device import device
from xinstr_core.engines.memory import bytes_a_token, free_memory, tokens_at_once
from xinstr_core.engines.shape import ModelShape
from xinstr_core.estimate.seen import Seen, seen
from xinstr_core.estimate.text import Material, measure_material
from xinstr_core.estimate.work import Workload
from xinstr_core.estimate.workload import workloads
from xinstr_core.schemas.eval_report import EVAL_REPORT
from xinstr_core.schemas.evaluator import EVALUATOR
from xinstr_core.schemas.raw_corpus import RAW_CORPUS
from xinstr_core.schemas.refined_pairs import REFINED_PAIRS
from xinstr_core.schemas.reverse_model import REVERSE_MODEL
from xinstr_core.schemas.seed_pairs import SEED_PAIRS
from xinstr_core.schemas.tuned_model import TUNED_MODEL
from xinstr_core.settings import Settings, TrainingSettings
from xinstr_core.training.budget import bytes_a_token as trained_bytes_a_token
from xinstr_core.training.budget import checkpointed_bytes_a_token, enough_tokens, logits_bytes, optimizer_bytes
from xinstr_core.workspace import Workspace

# Share of the machine's own rate of matrix products: of a training as measured (benchmarks/training.md), of reading and of
# writing token by token, whose time goes into fetching weights, as follows from single runs of Gemma 3 270M.
_TRAINING, _READING, _WRITING = 0.30, 0.50, 0.12
_A_CALL = 0.004  # seconds around a pass through a model, however small it is
_DOCUMENTS_A_SECOND = 1500.0  # a processor judges (benchmarks/corpus.md)
# Bytes, as measured by benchmarks/estimate.py: of a process that has loaded all libraries and no model, of one that needs
# none (workers of the corpus stage aside), for each byte of a tokenizer's file, and for each logit that is sampled from.
_PROCESS = 980 << 20
_WITHOUT_MODEL = {RAW_CORPUS.asset: 640 << 20, SEED_PAIRS.asset: 730 << 20}
_TOKENIZER, _A_SAMPLED_LOGIT = 10, 24
# Of which section of the settings each stage's training is.
_TRAINED_BY = {
    SEED_PAIRS.asset: "reverse_model",
    REVERSE_MODEL.asset: "reverse_model",
    EVALUATOR.asset: "evaluator",
    REFINED_PAIRS.asset: "evaluator",
    TUNED_MODEL.asset: "tuning",
    EVAL_REPORT.asset: "tuning",
}


@dataclass(frozen=True)
class StageEstimate:
    """What a stage will take: peak of memory as it will be here, least memory with which it runs, seconds and money.

    Seconds and money are as in a partition that was built, `seen`; where there is none, seconds are the machine's, and money
    is not known.
    """

    asset: str
    work: Workload
    memory: int
    least_memory: int
    seconds: float
    money: float = 0.0
    seen: Seen | None = None


@dataclass(frozen=True)
class Estimate:
    """All stages of a language's build on this machine. `advice` is empty where it fits."""

    material: Material
    parameters: int
    precision: str
    free_memory: int
    stages: tuple[StageEstimate, ...]
    advice: str


def estimate(workspace: Workspace, tag: str, rate: float, free: int | None = None) -> Estimate:
    """The estimate for a language. `rate` is the machine's, in floating-point operations a second (machine_rate())."""
    language = workspace.language(tag)
    settings, shape = workspace.settings(language), ModelShape.of(workspace.model(language))
    material = measure_material(workspace, tag)
    there = free_memory() if free is None else free

    def of_stage(asset: str, work: Workload) -> StageEstimate:
        training = getattr(settings, _TRAINED_BY[asset]) if work.trained_tokens else None
        found = seen(workspace, language, asset, work, training)
        return StageEstimate(
            asset,
            work,
            _memory(asset, work, shape, settings, there),
            _memory(asset, work, shape, settings, 0),
            found.seconds(work) if found else _seconds(asset, work, shape, settings, rate),
            found.money(work, settings.engines) if found else 0.0,
            found,
        )

    stages = tuple(of_stage(asset, work) for asset, work in workloads(material, settings).items())
    return Estimate(
        material,
        shape.parameters,
        shape.reference.precision,
        there,
        stages,
        _advice(stages, settings, there, shape.bytes),
    )


def _memory(asset: str, work: Workload, shape: ModelShape, settings: Settings, free: int) -> int:
    """Peak of a stage's process with so much memory free; with none, the least: one row at a time."""
    if asset in _WITHOUT_MODEL and not work.read_tokens:
        return _WITHOUT_MODEL[asset]
    read = tokens_at_once(shape.config, shape.itemsize, free)
    reading = max(work.longest, min(read, round(work.read_tokens + work.written_tokens)))
    peak = shape.bytes + reading * bytes_a_token(shape.config, shape.itemsize)
    if work.written_tokens:
        peak += settings.generation.batch_rows * shape.config.vocab_size * _A_SAMPLED_LOGIT
    if work.trained_tokens:
        training = getattr(settings, _TRAINED_BY[asset])
        peak = max(peak, _training_memory(work, shape, training, free))
    return int(_PROCESS + _TOKENIZER * shape.tokenizer_bytes + peak)


def _training_memory(work: Workload, shape: ModelShape, settings: TrainingSettings, free: int) -> int:
    full = settings.method == "full"
    itemsize = 4 if full else shape.itemsize
    weights = shape.parameters * itemsize
    trained = shape.parameters if full else shape.adapter(settings.rank)
    copies = shape.parameters * shape.itemsize if full and shape.itemsize < itemsize else 0  # for the products
    most = enough_tokens(shape.config, itemsize, weights, device()) if free else 0
    rows = int(most // work.trained_row)
    alone = work.longest if work.longest > most else 0  # a row that is longer goes alone, its layers computed twice
    activations = max(
        rows * work.trained_row * trained_bytes_a_token(shape.config, itemsize),
        alone * checkpointed_bytes_a_token(shape.config, itemsize),
    )
    logits = logits_bytes(round(max(1, rows) * work.labels * shape.config.vocab_size))
    of_one = int(weights + copies + (0 if full else 4 * trained) + optimizer_bytes(trained) + logits + activations)
    return of_one * (settings.processes if device() == "cpu" else 1)


def _seconds(asset: str, work: Workload, shape: ModelShape, settings: Settings, rate: float) -> float:
    """Two operations a parameter and token forward, as many again for the way back, thrice where all weights are trained."""
    if asset == RAW_CORPUS.asset:
        return work.rows / _DOCUMENTS_A_SECOND
    reading = work.read_tokens * 2 * shape.body / (_READING * rate)
    writing = work.written_tokens * 2 * (shape.body + shape.head) / (_WRITING * rate)
    factor = 6 if work.trained_tokens and getattr(settings, _TRAINED_BY[asset]).method == "full" else 4
    training = work.trained_tokens * factor * shape.body / (_TRAINING * rate)
    return reading + writing + training + work.rows * _A_CALL


def _advice(stages: tuple[StageEstimate, ...], settings: Settings, free: int, weights: int) -> str:
    """The setting to change where a stage does not fit; empty where all do."""
    largest = max(stages, key=lambda stage: stage.least_memory)
    if largest.least_memory <= free:
        return ""
    section = _TRAINED_BY.get(largest.asset)
    if weights > free:
        return f"the weights alone take {weights / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free: take a smaller base model"
    needs = f"{largest.asset} needs {largest.least_memory / 2**30:.1f} GiB and {free / 2**30:.1f} GiB are free"
    if section and getattr(settings, section).method == "full":
        return f'{needs}: set {section}.method = "lora", or take a smaller base model'
    if settings.precision == "float32":
        return f'{needs}: set precision = "bfloat16", or take a smaller base model'
    if section:
        return f"{needs}: lower {section}.maximum_tokens, or take a smaller base model"
    return f"{needs}: lower corpus.maximum_characters, or take a smaller base model"
