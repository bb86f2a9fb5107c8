"""Whether a model's weights fit is known from the headers of its files."""

from __future__ import annotations

from typing import Any

import pytest

from xinstr_core.engines import fit
from xinstr_core.engines.fit import check_fits
from xinstr_core.engines.models import ModelReference, load_causal_model
from xinstr_core.errors import InputError


@pytest.mark.parametrize(
    ("precision", "copies", "bytes_each"), [("float32", 1, 4), ("bfloat16", 1, 2), ("bfloat16", 2, 4)]
)
def test_what_fits_to_the_byte_is_taken_and_a_byte_less_is_refused(
    tiny_model: ModelReference, monkeypatch: pytest.MonkeyPatch, precision: Any, copies: int, bytes_each: int
) -> None:
    needed = bytes_each * sum(parameter.numel() for parameter in load_causal_model(tiny_model).parameters())
    monkeypatch.setattr(fit, "free_memory", lambda: needed)
    check_fits(tiny_model, precision, copies)
    monkeypatch.setattr(fit, "free_memory", lambda: needed - 1)
    with pytest.raises(InputError, match=rf"tiny in {precision} takes"):
        check_fits(tiny_model, precision, copies)
