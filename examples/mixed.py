"""Words and numbers in one table: what a flat costs, by its advertisement, its size and its floor (generated)."""

import numpy as np

import goodfit as gf

WORDS = {"sunny": 40, "quiet": 60, "garden": 150, "balcony": 80, "basement": -120, "noisy": -70, "old": -50, "new": 90}


def flats(n: int, seed: int) -> dict[str, object]:
    """The price follows from the size and from what the advertisement says."""
    random = np.random.default_rng(seed)
    size, floor = random.uniform(20, 120, n), random.integers(0, 9, n)
    said = [random.choice(list(WORDS), 3, replace=False) for _ in range(n)]
    price = 11 * size + 8 * floor + [sum(WORDS[word] for word in words) for words in said] + random.normal(0, 20, n)
    texts = [f"A {words[0]} and {words[1]} flat to let, with a {words[2]} side to it" for words in said]
    return {"text": texts, "size": size, "floor": floor, "price": price}


if __name__ == "__main__":
    sets = ["model.name=mixed", "data.kinds.text=text", "train.epochs=20"]
    run = gf.train(flats(2_000, seed=0), target="price", preset="fast", sets=sets)
    print(
        f"mean error {run.metrics['mean_absolute_error']['value']:.0f} of prices that scatter by {np.std(flats(2_000, seed=0)['price']):.0f}"
    )
    print(run.predict({name: values[:3] for name, values in flats(3, seed=1).items() if name != "price"}))
