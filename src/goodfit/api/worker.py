"""A process that trains networks of a run beside others, started by `team.py`.

Jobs come as lines of JSON on its input, what happens goes out as lines of JSON. What it trains lies in the run folder's checkpoints, where
whoever asked finds it finished, or a resumed run half done. When its input ends, because nobody needs it or the asker was killed, so does it.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from goodfit.api.attempt import RECIPE, attempt
from goodfit.api.computing import computing
from goodfit.api.fitting import Fold, Job
from goodfit.api.folder import RunFolder
from goodfit.api.member import fit_member
from goodfit.base.errors import GoodfitError
from goodfit.base.files import plain, read_json, read_tensors, write_bytes, write_json, write_tensors
from goodfit.base.recipe import Recipe
from goodfit.data.encode_stream import Stream
from goodfit.data.encode_tokens import Lexicon
from goodfit.data.encoded import Encoded, Ragged
from goodfit.data.encoder import Encoder


def save_fold(fold: Fold, folder: Path) -> None:
    """Write a fold so that a worker can read it. What is mapped from a file is named and not written again."""
    folder.mkdir(parents=True, exist_ok=True)
    fold.encoder.save(folder)
    encoded = fold.encoded
    tensors = {"train_rows": torch.from_numpy(fold.train_rows), "valid_rows": torch.from_numpy(fold.valid_rows)}
    for name, value in (("target", encoded.target), ("weight", encoded.weight)):
        tensors |= {name: value} if value is not None else {}
    if encoded.lexicon is not None:
        tensors |= {"lexicon/word": encoded.lexicon.word, "lexicon/letters": encoded.lexicon.letters}
    if fold.weight is not None:
        tensors["scores"] = torch.from_numpy(fold.weight)
    mapped = {}
    for name, given in encoded.inputs.items():
        assert not isinstance(given, Stream), "a language has one network, which no worker trains"
        values = given.values if isinstance(given, Ragged) else given
        if isinstance(given, Ragged):
            tensors[f"offsets/{name}"] = given.offsets
        if (path := encoded.file_of(name)) is None:
            tensors[f"input/{name}"] = values
        else:
            mapped[name] = {"path": str(path.resolve()), "dtype": str(values.dtype).removeprefix("torch."), "shape": list(values.shape)}
    write_json(folder / "mapped.json", {"rows": encoded.rows, "inputs": mapped})
    write_tensors(folder / "fold.safetensors", tensors)


def load_fold(folder: Path) -> Fold:
    """Read what `save_fold` wrote."""
    tensors, mapped = read_tensors(folder / "fold.safetensors"), read_json(folder / "mapped.json")
    inputs: dict[str, Any] = {name.removeprefix("input/"): tensor for name, tensor in tensors.items() if name.startswith("input/")}
    for name, file in mapped["inputs"].items():
        # Copied on writing, which nobody does: so the pages of all workers are the same.
        inputs[name] = torch.from_numpy(np.memmap(file["path"], dtype=file["dtype"], mode="c", shape=tuple(file["shape"])))
    for name in [name.removeprefix("offsets/") for name in tensors if name.startswith("offsets/")]:
        inputs[name] = Ragged(inputs[name], tensors[f"offsets/{name}"])
    rows = {name: tensors[name].numpy() for name in ("train_rows", "valid_rows")}
    lexicon = Lexicon(tensors["lexicon/word"], tensors["lexicon/letters"]) if "lexicon/word" in tensors else None
    encoded = Encoded(inputs, tensors.get("target"), tensors.get("weight"), mapped["rows"], lexicon=lexicon)
    scores = tensors.get("scores")
    return Fold(Encoder.load(folder), encoded, rows["train_rows"], rows["valid_rows"], None if scores is None else scores.numpy())


class Speaker:
    """The Progress that tells the asker."""

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def stage(self, name: str, total: float | None = None) -> None: ...

    def advance(self, amount: float = 1.0, **values: Any) -> None:
        if values:
            self.tell(epoch=values)

    def say(self, message: str) -> None:
        self.tell(say=message)

    def tell(self, **event: Any) -> None:
        """One event to the asker."""
        self._out.write(json.dumps(plain(event)) + "\n")
        self._out.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the asker, whose end is the end of our input
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever else prints does not get between the events
    speaker, jobs = Speaker(out), queue.Queue[str]()
    threading.Thread(target=_listen, args=(jobs,), daemon=True).start()
    cached: tuple[Path, Fold] | None = None
    while True:
        asked = json.loads(jobs.get())
        place = Path(asked["data"])
        if cached is None or cached[0] != place:
            cached = None  # the one before leaves first
            cached = (place, load_fold(place))
        try:
            if "trial" in asked:
                _attempt(asked, cached[1], speaker)
                continue
            _train(asked, cached[1], speaker)
        except GoodfitError as error:
            speaker.tell(error=type(error).__name__, message=error.message)
        else:
            speaker.tell(done=True)


def _listen(jobs: queue.Queue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    os._exit(0)  # in the middle of an update too: checkpoints are whole at every moment


def _train(asked: dict[str, Any], fold: Fold, speaker: Speaker) -> None:
    now, left, own = time.monotonic(), asked["left"], Path(asked["checkpoints"]) / RECIPE
    job = Job(
        Recipe.build(own), asked["fold"], asked["count"], asked["partner"],
        now - asked["spent"], None if left is None else now + left, asked["test_rows"], alone=False,
    )  # fmt: skip
    device = torch.device("cpu")

    def keep(recipe: Recipe) -> None:
        write_bytes(own, recipe.to_yaml().encode())
        speaker.tell(decided=True)

    with computing(device, asked["threads"]):
        fit_member(RunFolder(Path(asked["run"])), job, fold, device=device, keep=keep, progress=speaker)


def _attempt(asked: dict[str, Any], fold: Fold, speaker: Speaker) -> None:
    """A trial of a search, of which only the outcome is told."""
    device = torch.device("cpu")
    with computing(device, asked["threads"]):
        outcome = attempt(Path(asked["place"]), fold, asked["trial"], asked["epochs"], asked["seconds"], device=device)
    speaker.tell(outcome=asdict(outcome))
