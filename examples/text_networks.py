"""Texts in the order of their words: a transformer and a GRU learn whether a sentence says that somebody came before or after somebody else.

The words alone do not tell ("Ann came before Bob" and "Bob came before Ann" hold the same ones), so that a bag of words can only guess.
"""

import numpy as np

import goodfit as gf

NAMES = ("Ann", "Bob", "Cleo", "Dan", "Eve", "Finn")


def sentences(n: int) -> dict[str, list[str]]:
    """Who of the two was first, by the alphabet of their names: `early` where it was the one whose name comes first."""
    random = np.random.default_rng(0)
    texts, answers = [], []
    for _ in range(n):
        one, other = random.choice(NAMES, 2, replace=False)
        word = random.choice(["before", "after"])
        first = one if word == "before" else other
        texts.append(f"{random.choice(['Today', 'Yesterday', 'On Monday'])} {one} came to the station long {word} {other} did")
        answers.append("early" if first == min(one, other) else "late")
    return {"text": texts, "answer": answers}


if __name__ == "__main__":
    for name, settings in {
        "bag": ("data.grams=0",),
        "gru": ("model.width=32", "model.embedding_dim=16", "optim.lr=0.01"),
        "transformer": ("model.width=32", "model.heads=2", "optim.lr=0.003"),
    }.items():
        sets = [f"model.name={name}", "data.kinds.text=text", "train.epochs=15", *settings]
        run = gf.train(sentences(1_200), target="answer", preset="fast", sets=sets)
        print(f"{name:12} accuracy {run.metrics['accuracy']['value']:.3f}")
