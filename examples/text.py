"""Texts: which library does a docstring come from? Learned from the first paragraphs of thousands of them."""

import inspect
from types import ModuleType

import numpy as np
import polars as pl
import torch

import goodfit as gf

LIBRARIES = {"numpy": np, "polars": pl, "torch": torch}


def paragraphs(module: ModuleType) -> set[str]:
    """The first paragraph of every public docstring of a module and its classes."""
    found = set()
    for name, item in inspect.getmembers_static(module):
        members = inspect.getmembers_static(item) if inspect.isclass(item) else []
        for inner, member in [(name, item), *members]:
            text = inspect.getdoc(member) if inspect.isroutine(member) and not inner.startswith("_") else None
            if text:
                found.add(" ".join(text.split("\n\n")[0].split()))
    return {text for text in found if len(text.split()) >= 4}


if __name__ == "__main__":
    rows = [(text, name) for name, module in LIBRARIES.items() for text in sorted(paragraphs(module))]
    table = {"docstring": [text for text, _ in rows], "library": [name for _, name in rows]}
    run = gf.train(table, target="library", preset="fast", sets=["data.kinds.docstring=text"])
    print(f"accuracy {run.metrics['accuracy']['value']:.3f} on {len(rows):,} docstrings, a part held out")
    sentences = ["Return the eigenvalues of a matrix.", "Lazily read a CSV file into a frame.", "Applies dropout to the input."]
    print(run.predict({"docstring": sentences}))
