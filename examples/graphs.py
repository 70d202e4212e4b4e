"""Two ways in which data are graphs: a row is a node of one graph, or a row is a graph of its own."""

import json
import tempfile
from pathlib import Path

import numpy as np

import goodfit as gf

folder = Path(tempfile.mkdtemp())
generator = np.random.default_rng(0)

# The nodes of one graph: people who mostly know people of their own club. Of a tenth the club is known.
clubs = generator.integers(0, 4, 800)
pairs = generator.integers(0, 800, (2, 20_000))
met = (clubs[pairs[0]] == clubs[pairs[1]]) | (generator.random(20_000) < 0.05)
age = (30 + 3 * clubs + generator.normal(0, 10, 800)).astype(np.float32)
known = np.arange(800) < 80
np.savez(folder / "people.npz", edge_index=pairs[:, met][:, :2_000], age=age, club=clubs, train_mask=known, test_mask=~known)
for network in ("gcn", "gat", "gatv2", "graphsage"):
    run = gf.train(folder / "people.npz", target="club", preset="fast", time_limit=15, sets=[f"model.name={network}"], out=folder / network)
    print(f"{network}: club right for {run.metrics['accuracy']['value']:.2f} of the people")
scores = {entry["name"]: entry["metrics"]["accuracy"] for entry in run.analysis["targets"][0]["baselines"]}
print("beside them", {name: round(value, 2) for name, value in scores.items()})

# Rows that are graphs: chains and rings of two kinds of bead, whose worth hangs on both.
rows = []
for _ in range(600):
    n = int(generator.integers(3, 9))
    closed = bool(generator.random() < 0.5)
    beads = generator.choice(["glass", "gold"], n).tolist()
    links = [[i, i + 1] for i in range(n - 1)] + ([[0, n - 1]] if closed else [])
    rows.append({"beads": beads, "links": links, "price": 1.0 * n + 5.0 * beads.count("gold") + 10.0 * closed})
(folder / "chains.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
run = gf.train(folder / "chains.jsonl", target="price", preset="fast", time_limit=40, out=folder / "chains")
print(f"price off by {run.metrics['mean_absolute_error']['value']:.2f} on average")
new = [{"beads": ["gold", "gold", "glass"], "links": [[0, 1], [1, 2], [0, 2]]}]
(folder / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in new))
print(run.predict(folder / "new.jsonl"))
print(f"all of it: {run.folder / 'report.html'}")
