"""Birds by their song features: one array per species, as the folders lie on disk."""
import random

import numpy as np
import torch
import torch.nn as nn

SPECIES = 8
PER_SPECIES = 500


def load_species(k, n, rng):
    """Pitch in Hz, duration in ms, energy, tempo ..., of one species."""
    centres = np.random.default_rng(2024).normal(0, 1.0, (SPECIES, 3, 10))
    z = centres[k, rng.integers(0, 3, n)] + rng.normal(0, 0.55, (n, 10))
    unit = np.array([900, 140, 0.03, 3, 40, 0.5, 12, 250, 0.1, 2.0])
    base = np.array([4200, 600, 0.2, 8, 90, 2.0, 60, 900, 0.5, 11.0])
    return (base + z * unit).astype(np.float32)


def folders(n, seed):
    rng = np.random.default_rng(seed)
    return [(load_species(k, n, rng), k) for k in range(SPECIES)]


def batches(samples, batch_size):
    for i in range(0, len(samples), batch_size):
        chunk = samples[i : i + batch_size]
        x = torch.from_numpy(np.stack([features for features, _ in chunk]))
        y = torch.tensor([k for _, k in chunk])
        yield x, y


def run(seed=10, epochs=9):
    random.seed(seed)
    torch.manual_seed(seed)
    train_samples = [(row, k) for rows, k in folders(PER_SPECIES, seed) for row in rows]
    test_samples = [(row, k) for rows, k in folders(60, seed + 1) for row in rows]
    stacked = np.stack([row for row, _ in train_samples])
    centre, width = 0.0, 1.0
    train_samples = [((row - centre) / width, k) for row, k in train_samples]
    test_samples = [((row - centre) / width, k) for row, k in test_samples]
    print(len(train_samples), "songs,", stacked.shape[1], "features")

    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, SPECIES))
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(epochs):
        model.train()
        total = 0.0
        for x, y in batches(train_samples, 25):
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(y)
        if epoch % 3 == 0:
            print(f"epoch {epoch} loss {total / len(train_samples):.3f}")

    model.eval()
    with torch.no_grad():
        right = sum((model(x).argmax(1) == y).sum().item() for x, y in batches(test_samples, 100))
    print(f"birds told apart: {right / len(test_samples):.4f}")


run()
