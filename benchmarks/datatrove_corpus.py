"""The corpus steps in datatrove, for corpus_vs_datatrove.py; runs in an environment of its own.

Language identification with lid.176 in its compressed form, Gopher's two filters with the language's own stop words, and
MinHash with the shingles and bands that the project uses, on two workers.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter, LanguageFilter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig

WORKERS = 2
TOKENIZER = {"sw": "swh", "th": "tha"}


def main(language: str, folder: Path, output: Path, model: str, stop_words: list[str]) -> None:
    identification = LanguageFilter(language, language_threshold=0.1)
    identification.model.MODEL_URL = model  # the file that the project's first voter reads, in place of a download
    norm = TextNormConfig(remove_punctuation=False, norm_unicode_diacritics=False, norm_numbers=False)
    config = MinhashConfig(
        n_grams=3, num_buckets=21, hashes_per_bucket=6, norm_config=norm, hash_config=HashConfig(precision=64)
    )
    tokenizer = TOKENIZER[language]
    signatures, buckets, removed = (str(output / name) for name in ("signatures", "buckets", "removed"))
    filtered = str(output / "filtered")

    number = count()

    def run(tasks: int, *steps: object) -> None:
        logs = str(output / "logs" / str(next(number)))
        LocalPipelineExecutor(pipeline=list(steps), tasks=tasks, workers=WORKERS, logging_dir=logs).run()

    run(
        WORKERS,
        JsonlReader(str(folder)),
        identification,
        GopherRepetitionFilter(language=tokenizer),
        GopherQualityFilter(stop_words=stop_words, language=tokenizer, min_avg_word_length=1, max_avg_word_length=15),
        JsonlWriter(filtered, compression=None),
    )
    run(WORKERS, JsonlReader(filtered), MinhashDedupSignature(signatures, config=config, language=tokenizer))
    run(21, MinhashDedupBuckets(signatures, buckets, config=config))
    run(1, MinhashDedupCluster(buckets, removed, config=config))
    run(
        WORKERS,
        JsonlReader(filtered),
        MinhashDedupFilter(removed),
        JsonlWriter(str(output / "kept"), compression=None),
    )


if __name__ == "__main__":
    _, language, folder, output, model, stop_words = sys.argv
    main(language, Path(folder), Path(output), model, stop_words.split())
