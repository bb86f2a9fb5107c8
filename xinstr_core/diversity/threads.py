"""Numbers whose last bits do not depend on how many processors there are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for every numeric library that is imported by now: sums in another order differ in their last bits."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn, untyped

    with threadpool_limits(1):
        yield
