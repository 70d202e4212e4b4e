"""Sugar in beets from 8 absorption bands: a residual MLP after the paper we follow, written down by hand."""
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class ResBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.fc1 = nn.Linear(dim, dim)
        self.fc2 = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        for fc in (self.fc1, self.fc2):
            nn.init.kaiming_normal_(fc.weight, nonlinearity="relu")
            nn.init.zeros_(fc.bias)

    def forward(self, x):
        h = self.fc1(self.norm(x))
        h = self.fc2(torch.relu(h))
        return x + h


class ResMLP(nn.Module):
    def __init__(self, n_in=8, dim=48, n_blocks=10):
        super().__init__()
        self.stem = nn.Linear(n_in, dim)
        self.blocks = nn.Sequential(*[ResBlock(dim) for _ in range(n_blocks)])
        self.head = nn.Linear(dim, 1)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x))).squeeze(-1)


def beets(n, g):
    x = torch.randn(n, 8, generator=g)
    sugar = torch.sin(1.5 * x[:, 0]) + x[:, 1] * x[:, 2] + 0.7 * x[:, 3].abs() - 0.5 * x[:, 4] + 0.1 * torch.randn(n, generator=g)
    return x, (sugar - 0.55) / 1.4


def main():
    torch.manual_seed(3)
    g = torch.Generator().manual_seed(3)
    x_train, y_train = beets(3000, g)
    x_test, y_test = beets(600, g)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=40, shuffle=True, generator=g)
    model = ResMLP()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    loss_fn = nn.SmoothL1Loss()
    for epoch in range(20):
        model.train()
        total = 0.0
        for x, y in loader:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()
        scheduler.step()
        print(f"epoch {epoch + 1:2d} | loss {total / len(loader):.4g}")
    model.eval()
    with torch.no_grad():
        r2 = 1 - ((model(x_test) - y_test) ** 2).mean() / y_test.var()
    print(f"sugar R2 {r2.item():.4f}")


if __name__ == "__main__":
    main()
