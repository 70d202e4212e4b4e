"""Series of different lengths: an RNN, an LSTM and a GRU tell the form of a wave, whatever its period, its phase and its noise (generated)."""

import numpy as np

import goodfit as gf

FORMS = {"sine": np.sin, "square": lambda x: np.sign(np.sin(x)), "saw": lambda x: (x / np.pi) % 2 - 1}


def waves(n: int) -> dict[str, list[object]]:
    """20 to 40 steps of a wave, and its form."""
    random = np.random.default_rng(0)
    names = random.choice(list(FORMS), n)
    steps = [np.arange(random.integers(20, 41)) * random.uniform(0.3, 0.8) + random.uniform(0, 6) for _ in range(n)]
    series = [(FORMS[name](x) + random.normal(0, 0.2, len(x))).tolist() for name, x in zip(names, steps, strict=True)]
    return {"wave": series, "form": names.tolist()}


if __name__ == "__main__":
    table = waves(900)
    for name in ("series_rnn", "series_lstm", "series_gru"):
        sets = [f"model.name={name}", "model.width=32", "model.depth=1", "train.epochs=12", "train.members=1", "optim.lr=0.01"]
        run = gf.train(table, target="form", preset="fast", sets=sets)
        print(f"{name:12} accuracy {run.metrics['accuracy']['value']:.3f}")
