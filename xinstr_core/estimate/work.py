"""What a stage has to do, in rows and tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Workload:
    """Rows and tokens of a stage. `trained_tokens` counts every epoch; `longest` is the longest row that goes through a model.

    `trained_row` has the mean tokens of a row that is trained on, and `labels` how many of them are learned, of the kind
    of rows that has most. An engine counts `repeated_tokens` beside what is read, of prompts that several requests share,
    and not the `doubled_tokens` of what is written, which go through the model twice.
    """

    rows: int = 0
    read_tokens: float = 0.0
    written_tokens: float = 0.0
    trained_tokens: float = 0.0
    longest: int = 0
    trained_row: float = 0.0
    labels: float = 0.0
    repeated_tokens: float = 0.0
    doubled_tokens: float = 0.0

    def __add__(self, other: Workload) -> Workload:
        return Workload(
            self.rows + other.rows,
            self.read_tokens + other.read_tokens,
            self.written_tokens + other.written_tokens,
            self.trained_tokens + other.trained_tokens,
            max(self.longest, other.longest),
            max(self.trained_row, other.trained_row),
            max(self.labels, other.labels),
            self.repeated_tokens + other.repeated_tokens,
            self.doubled_tokens + other.doubled_tokens,
        )

    @property
    def prompt_tokens(self) -> float:
        """What engines will count as read."""
        return self.read_tokens + self.repeated_tokens

    @property
    def completion_tokens(self) -> float:
        """What engines will count as written."""
        return self.written_tokens - self.doubled_tokens
