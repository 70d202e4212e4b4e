"""Minutes to deliver a parcel: sender, street and courier are ids, most of them rare; two numbers besides."""
import numpy as np
import torch
import torch.nn as nn


class Delivery(nn.Module):
    def __init__(self, sizes, numeric=2, dim=8, hidden=64):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, dim) for n in sizes)
        for table in self.tables:
            nn.init.normal_(table.weight, std=0.01)
        self.net = nn.Sequential(
            nn.Linear(dim * len(sizes) + numeric, hidden), nn.ReLU(),
            nn.Linear(hidden, hidden), nn.ReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, ids, numbers):
        parts = [table(ids[:, k]) for k, table in enumerate(self.tables)]
        return self.net(torch.cat(parts + [numbers], dim=1)).squeeze(1)


def zipf_ids(rng, n, size):
    p = 1.0 / np.arange(1, size + 1) ** 0.7
    return rng.choice(size, size=n, p=p / p.sum())


def make_data(n=14000, seed=5):
    rng = np.random.default_rng(seed)
    sizes = (500, 1000, 100)
    ids = np.stack([zipf_ids(rng, n, s) for s in sizes], axis=1)
    numbers = rng.normal(size=(n, 2))
    effects = [rng.normal(size=s) for s in sizes]
    y = effects[0][ids[:, 0]] + effects[1][ids[:, 1]] + 0.7 * effects[2][ids[:, 2]] * effects[1][ids[:, 1]]
    y = y + 0.5 * numbers[:, 0] * (numbers[:, 1] > 0) + 0.2 * rng.normal(size=n)
    y = (y - y.mean()) / y.std()
    return sizes, torch.as_tensor(ids), torch.tensor(numbers, dtype=torch.float32), torch.tensor(y, dtype=torch.float32)


def main():
    torch.manual_seed(5)
    sizes, ids, numbers, y = make_data()
    n_train = 12000
    model = Delivery(sizes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.3)
    for epoch in range(8):
        model.train()
        total = 0.0
        for batch in torch.randperm(n_train).split(256):
            loss = nn.functional.mse_loss(model(ids[batch], numbers[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(batch)
        print(f"epoch {epoch + 1}, mse {total / n_train:.4f}")
    model.eval()
    with torch.no_grad():
        error = ((model(ids[n_train:], numbers[n_train:]) - y[n_train:]) ** 2).mean().item()
    print("R2 on the last parcels", 1 - error / y[n_train:].var().item())


main()
