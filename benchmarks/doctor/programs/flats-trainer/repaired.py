from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split


@dataclass
class Config:
    seed: int = 21
    epochs: int = 10
    batch_size: int = 32
    lr: float = 1e-3
    hidden: list = field(default_factory=lambda: [64, 64])
    limit_train_batches: int = 10**9


def flats(n, rng):
    """Asking prices in euros."""
    area = rng.uniform(25, 160, n)
    floor = rng.integers(0, 9, n)
    year = rng.uniform(1900, 2020, n)
    km = rng.gamma(2, 2.5, n)
    lift = rng.integers(0, 2, n)
    price = area * (2400 + 2600 * np.exp(-km / 4)) + 9000 * np.where(lift, floor, -floor) + 4e4 * np.cos((year - 1900) / 25)
    price = price * np.exp(rng.normal(0, 0.04, n))
    return np.c_[area, floor, year, km, lift], price


class Trainer:
    def __init__(self, model, config):
        self.model, self.config = model, config
        self.optimizer = torch.optim.Adam(model.parameters(), lr=config.lr)
        self.loss_fn = nn.MSELoss()

    def train_epoch(self, loader):
        self.model.train()
        losses = []
        for i, (x, y) in enumerate(loader):
            if i >= self.config.limit_train_batches:
                break
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            losses.append(loss.item())
        return sum(losses) / len(losses)

    def fit(self, loader):
        for epoch in range(self.config.epochs):
            print(f"epoch {epoch}: {self.train_epoch(loader):.5g}")

    @torch.no_grad()
    def r2(self, dataset):
        self.model.eval()
        x, y = map(torch.stack, zip(*dataset))
        return 1 - ((self.model(x) - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()


def build(config, n_in):
    sizes = [n_in, *config.hidden]
    layers = []
    for a, b in zip(sizes, sizes[1:]):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 1))


if __name__ == "__main__":
    cfg = Config()
    torch.manual_seed(cfg.seed)
    X, price = flats(3000, np.random.default_rng(cfg.seed))
    X = (X - X.mean(0)) / X.std(0)
    y = (price - price.mean()) / price.std()
    data = TensorDataset(torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32).unsqueeze(1))
    train_set, test_set = random_split(data, [2400, 600])
    trainer = Trainer(build(cfg, X.shape[1]), cfg)
    trainer.fit(DataLoader(train_set, batch_size=cfg.batch_size, shuffle=True))
    print(f"R2 on unseen flats: {trainer.r2(test_set).item():.4f}")
