"""Models that read, write and embed. Importing this tells torch's libraries what they have to be told before torch is loaded."""

import os

# Threads that share a matrix product wait for each other awake, GNU's library for some ten milliseconds each time. Where
# another process has one of the processors, that made the evaluator of a build five times as slow; so short a wait costs
# nothing where none has (docs/decisions/0010-busy-machines.md).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Kernels for bfloat16 are made for each shape, half a megabyte each, and 1,024 are kept in each of two places; texts have
# more lengths than that, and a length seldom returns (docs/decisions/0011-kept-kernels.md).
for _cache in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_cache, "64")
