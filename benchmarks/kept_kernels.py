"""What kernels that are kept cost: `python benchmarks/kept_kernels.py`.

Products in bfloat16 of 1,600 shapes, as texts of many lengths make them, then all of them again, and 20,000 of one shape, as
writing token by token makes them; for each capacity of the two caches, in a process of its own with one thread. Prints private memory and
seconds of the processor.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

CAPACITIES = ("1024", "64", "1")
WIDTH, OUTPUTS = 640, (2048, 1024, 640, 256)  # the layers of Gemma 3 270M


def private_memory() -> int:
    """MiB."""
    return int(Path("/proc/self/status").read_text("ascii").split("RssAnon:")[1].split()[0]) // 1024


def multiply() -> None:
    import torch

    layers = [torch.randn(output, WIDTH, dtype=torch.bfloat16) for output in OUTPUTS]
    torch.nn.functional.linear(torch.randn(900, WIDTH, dtype=torch.bfloat16), layers[0])
    told = [f"{private_memory()} MiB before"]
    for what, lengths in (
        ("1,600 shapes", range(100, 900, 2)),
        ("again", range(100, 900, 2)),
        ("one shape", [8] * 5000),
    ):
        started = time.process_time()
        for length in lengths:
            given = torch.randn(length, WIDTH, dtype=torch.bfloat16)
            for layer in layers:
                torch.nn.functional.linear(given, layer)
        told.append(f"{what} {time.process_time() - started:.2f} s, {private_memory()} MiB")
    print("; ".join(told))


def main() -> None:
    if "--multiply" in sys.argv:
        multiply()
        return
    for capacity in CAPACITIES:
        kept = dict.fromkeys(("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"), capacity)
        environment = {**os.environ, "OMP_NUM_THREADS": "1", **kept}
        print(f"capacity {capacity}: ", end="", flush=True)
        subprocess.run([sys.executable, __file__, "--multiply"], env=environment, check=True)


if __name__ == "__main__":
    main()
