"""A language model from running text: what it costs to know the next character, and what it writes on."""

import inspect
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import goodfit as gf


def prose() -> str:
    """The docstrings of numpy's functions, each once: a quarter of a million characters of English with a habit or two."""
    members = (member for _, member in inspect.getmembers_static(np))
    texts = sorted({inspect.getdoc(member) or "" for member in members if inspect.isroutine(member) or inspect.isclass(member)})
    return "\n\n".join(text.partition("\nExamples\n")[0] for text in texts)


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        file = Path(name) / "numpy.txt"
        file.write_text(prose())
        for network in ("lstm_language", "gpt"):
            sets = ["model.width=96", "model.depth=2", "data.max_tokens=128", f"model.name={network}"]
            run = gf.train(file, preset="fast", time_limit="30s", sets=sets)
            print(f"{run.metrics['bits_per_character']['value']:.2f} bits per character by {network}")
    print("beside them")
    for baseline in run.analysis["targets"][0]["baselines"]:
        print(f"{baseline['metrics']['bits_per_character']:.2f} for {baseline['name']}")
    print("\nReturn the sum of" + "".join(gf.generate(run, "Return the sum of", length=300, temperature=0.5)))
