"""One contestant of the loop on one workload: makes a round for every line on its standard input, answers each with a line of JSON.

Run by `loop.py`, in the contestant's own environment. Between rounds it waits and takes no time from the others.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import json
import os
import sys
import time

import torch
from torch.nn import functional
from workloads import WORKLOADS, rows

CONTESTANTS = {
    "by hand": "loop_hand:gathers",
    "by hand, DataLoader": "loop_hand:loader",
    "goodfit": "loop_goodfit:goodfit",
    "goodfit bf16": "loop_goodfit:bf16",
    "goodfit cheap dropout": "loop_goodfit:cheap",
    "Lightning": "loop_lightning:contestant",
    "skorch": "loop_skorch:contestant",
    "transformers Trainer": "loop_trainer:contestant",
    "Keras": "loop_keras:contestant",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contestant", choices=CONTESTANTS)
    parser.add_argument("workload", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the frameworks print goes to the other stream
    torch.set_num_threads(given.threads)
    workload = WORKLOADS[given.workload]
    if given.quick:
        workload = dataclasses.replace(workload, rows=8 * workload.batch, epochs=2)
    module, _, name = CONTESTANTS[given.contestant].partition(":")
    train = getattr(importlib.import_module(module), name)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        seed = int(line)
        x, y, x_test, y_test = rows(workload, seed)
        marks: list[float] = []
        predict = train(workload, x, y, seed, lambda marks=marks: marks.append(time.perf_counter()))
        assert len(marks) == workload.epochs, f"{len(marks)} epochs were marked, {workload.epochs} asked for"
        # From the end of the first epoch, so that what happens once (set-up, first touches of memory) does not count.
        rate = workload.rows * (workload.epochs - 1) / (marks[-1] - marks[0])
        logits = predict(x_test)
        accuracy = float((logits.argmax(dim=1) == y_test).float().mean())
        loss = float(functional.cross_entropy(logits, y_test))
        threads = torch.get_num_threads()
        print(json.dumps({"rate": rate, "accuracy": accuracy, "loss": loss, "threads": threads}), file=answers, flush=True)


if __name__ == "__main__":
    main()
