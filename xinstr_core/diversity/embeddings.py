"""Embed texts chunk by chunk: what is done is not done again, and a text that cannot be embedded costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import polars as pl

from xinstr_core.engines.encoders import Encode
from xinstr_core.engines.faults import Fault, isolated
from xinstr_core.errors import StageError
from xinstr_core.files import ShardLog
from xinstr_core.identity import content_key
from xinstr_core.progress import Progress
from xinstr_core.schemas.declaration import frame
from xinstr_core.schemas.diversified_set import EMBEDDINGS
from xinstr_core.store import Partition

TEXTS_A_SHARD = 4096
_VECTOR = pl.List(pl.Float32)
_SHARD_SCHEMA = pl.Schema([("text_key", pl.String), ("vector", _VECTOR), ("reason", pl.String)])


@dataclass(frozen=True)
class Embeddings:
    """Unit vectors (len(keys), dimensions) in float32 of distinct texts in the order of their keys.

    `failed` says why the texts of other keys have none; `computed` counts those that an encoder looked at in this run.
    """

    keys: list[str]
    vectors: Any
    failed: dict[str, str]
    computed: int

    def table(self) -> pl.DataFrame:
        """The vectors as rows that a later run can take over."""
        if not self.keys:
            return EMBEDDINGS.schema.to_frame()
        return pl.DataFrame({"text_key": self.keys, "vector": pl.Series(self.vectors).arr.to_list()})


def text_key(encoder: str, text: str) -> str:
    """The key of a text's vector. `encoder` is the identity of the encoder: another one gives another vector."""
    return content_key("embedding", encoder, text)


def earlier_embeddings(previous: Partition | None) -> pl.DataFrame:
    """The vectors that a partition holds, of whatever texts and encoders."""
    held = previous is not None and EMBEDDINGS.name in previous.tables
    return previous.read(EMBEDDINGS.name) if previous is not None and held else EMBEDDINGS.schema.to_frame()


def embed(
    texts: Iterable[str],
    encoder: str,
    load: Callable[[], Encode],
    shards: ShardLog,
    earlier: pl.DataFrame,
    progress: Progress,
) -> Embeddings:
    """The vectors of the distinct texts. The encoder is loaded only when one is missing.

    Missing texts go in chunks of similar length, so that they pad little; a finished chunk is a shard. The chunks are
    those of an uninterrupted run, and with them every last bit of the vectors. Raises StageError when no text at all
    can be embedded: that is not the texts' fault.
    """
    of_key = {text_key(encoder, text): text for text in texts}
    keys = sorted(of_key)
    found = earlier.join(pl.DataFrame({"text_key": keys}, schema={"text_key": pl.String}), on="text_key", how="semi")
    missing = sorted(of_key.keys() - set(found["text_key"]), key=lambda key: (len(of_key[key]), key))
    matrix = _Matrix(keys)
    matrix.fill(found)

    encode: Encode | None = None
    failed: dict[str, str] = {}
    done = ready = len(keys) - len(missing)
    for start in range(0, len(missing), TEXTS_A_SHARD):
        chunk = missing[start : start + TEXTS_A_SHARD]
        shard = content_key(*chunk)
        rows = shards.get(shard)
        if rows is not None:
            ready += len(chunk)
        else:
            if encode is None:
                encode = load()
                progress(done, len(keys), unit="texts", found=ready)
            rows = _encoded(encode, chunk, [of_key[key] for key in chunk])
            shards.put(shard, rows)
        matrix.fill(rows.filter(pl.col("reason").is_null()))
        failed |= dict(rows.filter(pl.col("reason").is_not_null()).select("text_key", "reason").iter_rows())
        done += len(chunk)
        progress(done, len(keys), unit="texts", found=ready)
    if failed and len(failed) == len(keys):
        raise StageError(f"the encoder fails on every instruction, first with {failed[min(failed)]}")
    return Embeddings(*matrix.held(), failed, len(missing))


def _encoded(encode: Encode, keys: Sequence[str], texts: Sequence[str]) -> pl.DataFrame:
    """The vector of each text, or the reason why it has none."""
    frames = [_SHARD_SCHEMA.to_frame()]
    for piece, vectors in isolated(
        lambda rows: encode([text for _, text in rows]), list(zip(keys, texts, strict=True))
    ):
        of_piece = [key for key, _ in piece]
        if isinstance(vectors, Fault):
            frames.append(frame([{"text_key": of_piece[0], "vector": None, "reason": vectors.reason}], _SHARD_SCHEMA))
        else:
            frames.append(_vectors(of_piece, vectors))
    return pl.concat(frames)


def _vectors(keys: Sequence[str], vectors: Any) -> pl.DataFrame:
    """_SHARD_SCHEMA: what is no vector has a reason in its place."""
    finite = pl.Series(numpy.isfinite(vectors).all(axis=1))
    return pl.DataFrame({"text_key": keys, "vector": pl.Series(vectors).arr.to_list(), "finite": finite}).select(
        "text_key",
        pl.when("finite").then("vector"),
        reason=pl.when("finite").then(None).otherwise(pl.lit("its vector has numbers that are not finite")),
    )


class _Matrix:
    """Vectors by key, filled frame by frame: each number is held once."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = keys
        self._places = pl.DataFrame({"text_key": keys}, schema={"text_key": pl.String}).with_row_index("place")
        self._held = numpy.zeros(len(keys), bool)
        self._vectors: Any = None

    def fill(self, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        vectors = rows["vector"].explode().to_numpy().reshape(len(rows), -1)
        places = rows.join(self._places, on="text_key", how="left", maintain_order="left")["place"].to_numpy()
        if self._vectors is None:
            self._vectors = numpy.zeros((len(self._keys), vectors.shape[1]), numpy.float32)
        self._vectors[places] = vectors
        self._held[places] = True

    def held(self) -> tuple[list[str], Any]:
        """The keys that have a vector, and the vectors."""
        if self._vectors is None:
            return [], numpy.zeros((0, 0), numpy.float32)
        if self._held.all():
            return self._keys, self._vectors
        return [key for key, held in zip(self._keys, self._held, strict=True) if held], self._vectors[self._held]
