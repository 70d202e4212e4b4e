"""Lists whose answer is an order of their own entries: the places of numbers as they rise, learned from examples."""

import numpy as np

import goodfit as gf


def lists(count: int, longest: int) -> dict[str, list[list[float]]]:
    """Lists of two to `longest` numbers, and for each the places of its numbers as they rise, from 0."""
    generator = np.random.default_rng(longest)
    numbers = [generator.random(generator.integers(2, longest + 1)) for _ in range(count)]
    return {"numbers": [row.tolist() for row in numbers], "order": [row.argsort().tolist() for row in numbers]}


if __name__ == "__main__":
    rows = lists(6_000, longest=6)
    for network, sets in (("pointer", []), ("pointer_transformer", ["model.depth=2"])):
        own = ["model.width=32", "train.epochs=15", f"model.name={network}", *sets]
        run = gf.train(rows, target="order", preset="fast", time_limit="40s", sets=own)
        print(f"{network}: {run.metrics['accuracy']['value']:.1%} of the lists in the right order, a part held out")
    longer = lists(200, longest=8)
    said = run.predict({"numbers": longer["numbers"]})
    right = [places == order for places, order in zip(said["prediction"].to_list(), longer["order"], strict=True) if len(order) > 6]
    print(f"{np.mean(right):.1%} of lists that are longer than any it learned from")
    print(said.head(3))
