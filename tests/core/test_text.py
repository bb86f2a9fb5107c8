"""What may leave a machine of a text, and what is one path in it."""

from __future__ import annotations

import pytest

from xinstr_core.text import without_folders


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/models/tiny", "tiny"),
        ("/home/me/my models/tiny one", "tiny one"),
        ("transformers /home/me/models/tiny, 2 actors", "transformers tiny, 2 actors"),
        ('base_model="/home/me/tiny", tuning.epochs=3', 'base_model="tiny", tuning.epochs=3'),
        ("org/model", "org/model"),
        ("openai http://10.0.0.1/v1", "openai http://10.0.0.1/v1"),
        ("corpus/../sw.jsonl and/or ./it", "corpus/../sw.jsonl and/or ./it"),
        ("~/models/tiny", "~/models/tiny"),
        ("3 / 4", "3 / 4"),
        ("", ""),
    ],
)
def test_of_absolute_paths_the_last_part_stays(text: str, shown: str) -> None:
    assert without_folders(text) == shown
