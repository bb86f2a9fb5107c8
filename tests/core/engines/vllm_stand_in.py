"""Stands for the Python of an environment with vLLM: answers what engines/vllm_worker.py answers, of a transformers model.

`stand_in()` writes a command that starts it, as the setting `python` names one. `dies_after` questions it is killed.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Any


def stand_in(folder: Path, dies_after: int = 10**9) -> str:
    command = folder / f"python-{dies_after}"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {dies_after}\n', "utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return str(command)


def main(dies_after: int) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    options = json.loads(sys.stdin.readline())

    def loaded() -> Any:
        return AutoModelForCausalLM.from_pretrained(options["model"], dtype=torch.float32).eval()

    models: dict[str | None, Any] = {None: loaded()}
    tell({"version": "0", "positions": models[None].config.max_position_embeddings, "device": "cpu"})
    for asked, line in enumerate(sys.stdin):
        if asked == dies_after:
            os.kill(os.getpid(), signal.SIGKILL)
        question = json.loads(line)
        if "abort" in question:
            continue
        try:
            if question["adapter"] not in models:
                from peft import PeftModel  # takes seconds

                assert options["enable_lora"]
                models[question["adapter"]] = PeftModel.from_pretrained(loaded(), question["adapter"]).eval()
        except RuntimeError as error:
            tell({"id": question["id"], "error": f"RuntimeError: {str(error).splitlines()[0]}"})
        else:
            tell({"id": question["id"], "cached": 0, **found(models[question["adapter"]], question)})


def found(model: Any, question: dict[str, Any]) -> dict[str, Any]:
    import torch

    def after(ids: list[int]) -> Any:
        with torch.inference_mode():
            return model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)

    ids = question["ids"]
    if "score" in question:
        scores = after(ids)
        return {"scores": [float(scores[place, token]) for place, token in enumerate(ids[1:])]}
    if "next" in question:
        last = after(ids)[-1]
        return {"scores": [float(last[token]) for token in question["next"]]}
    how, written = question["write"], list[int]()
    chance = torch.Generator().manual_seed(how["seed"])
    while len(written) < how["max_tokens"] and not {*written[-1:]}.intersection(how["stop_token_ids"]):
        last = after(ids + written)[-1]
        drawn = torch.multinomial((last / (how["temperature"] or 1)).exp(), 1, generator=chance)
        written.append(int(drawn if how["temperature"] else last.argmax()))
    return {"ids": written, "finished": written[-1] in how["stop_token_ids"]}


def tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
