"""vLLM by itself, for benchmarks/vllm_rate.py and run by the Python of its environment: prompts in, texts and seconds out.

Reads lines of JSON: first what vLLM's LLM is made with, then runs, a list of prompts' ids and how to sample each.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from vllm import LLM, SamplingParams, TokensPrompt

    model = LLM(**json.loads(sys.stdin.readline()))
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        run = json.loads(line)
        prompts = [TokensPrompt(prompt_token_ids=ids) for ids in run["prompts"]]
        sampling = [SamplingParams(detokenize=False, ignore_eos=True, **one) for one in run["sampling"]]
        began = time.monotonic()
        written = model.generate(prompts, sampling, use_tqdm=False)
        seconds = time.monotonic() - began
        ids = [list(one.outputs[0].token_ids) for one in written]
        print(json.dumps({"seconds": seconds, "ids": ids}), file=answers, flush=True)


if __name__ == "__main__":
    main()
