from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


@dataclass
class HP:
    lr: float = 0.02
    batch_size: int = 8
    epochs: int = 8
    bn_momentum: float = 0.99
    seed: int = 20


def dense(n_in, n_out, hp):
    return nn.Sequential(nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out, momentum=hp.bn_momentum), nn.ReLU(inplace=True))


class LeafNet(nn.Module):
    """Margins and shapes of leaves go in as one vector each."""

    def __init__(self, hp, n_in=24, kinds=12):
        super().__init__()
        self.body = nn.Sequential(dense(n_in, 96, hp), dense(96, 96, hp), dense(96, 48, hp))
        self.top = nn.Linear(48, kinds)

    def forward(self, x):
        return self.top(self.body(x))


def leaves(n, kinds=12):
    centre = torch.randn(kinds, 3, 24)
    y = torch.randint(0, kinds, (n,))
    return centre[y, torch.randint(0, 3, (n,))] + 0.9 * torch.randn(n, 24), y


def main(hp):
    torch.manual_seed(hp.seed)
    x, y = leaves(3000)
    train, test = slice(0, 2400), slice(2400, 3000)
    loader = DataLoader(TensorDataset(x[train], y[train]), batch_size=hp.batch_size, shuffle=True, drop_last=True)
    model = LeafNet(hp)
    opt = torch.optim.SGD(model.parameters(), lr=hp.lr, momentum=0.9, nesterov=True)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, hp.epochs * len(loader))
    for epoch in range(hp.epochs):
        model.train()
        ema = None
        for xb, yb in loader:
            loss = F.cross_entropy(model(xb), yb)
            opt.zero_grad()
            loss.backward()
            opt.step()
            sched.step()
            ema = loss.item() if ema is None else 0.98 * ema + 0.02 * loss.item()
        print(f"epoch {epoch} loss {ema:.4f}")
    model.eval()
    with torch.no_grad():
        acc = (model(x[test]).argmax(1) == y[test]).float().mean()
    print(f"test accuracy {acc:.4f}")


if __name__ == "__main__":
    main(HP())
