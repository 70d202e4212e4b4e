"""East and north components of the wind at hub height, from instruments near the ground."""
from dataclasses import dataclass, field

import torch
from torch import nn


@dataclass
class Settings:
    widths: list = field(default_factory=lambda: [10, 64, 64, 32, 2])
    rate: float = 2e-3
    epochs: int = 25
    batch: int = 100
    seed: int = 4


class WindNet(nn.Module):
    def __init__(self, widths):
        super().__init__()
        blocks = []
        for i, (n_in, n_out) in enumerate(zip(widths[:-1], widths[1:])):
            blocks.append(nn.Linear(n_in, n_out))
            blocks.append(nn.ReLU())
        self.blocks = nn.Sequential(*blocks)

    def forward(self, x):
        return self.blocks(x)


def simulate(n):
    angle = torch.rand(n) * 2 * torch.pi
    speed = torch.distributions.Weibull(7.0, 2.0).sample((n,))
    stability = torch.randn(n)
    shear = 1.25 + 0.25 * torch.tanh(stability)
    turn = 0.2 * torch.tanh(stability + 0.3)
    ground = torch.stack([speed * torch.cos(angle), speed * torch.sin(angle)], 1)
    hub = torch.stack([shear * speed * torch.cos(angle + turn), shear * speed * torch.sin(angle + turn)], 1)
    others = torch.stack([stability, stability + 0.5 * torch.randn(n), speed, *torch.randn(5, n)], 1)
    return torch.cat([ground + 0.3 * torch.randn(n, 2), others], 1), hub


def main(s=Settings()):
    torch.manual_seed(s.seed)
    x, y = simulate(3000)
    x_train, x_test, y_train, y_test = x[:2400], x[2400:], y[:2400], y[2400:]
    x_mean, x_std, y_mean, y_std = x_train.mean(0), x_train.std(0), y_train.mean(0), y_train.std(0)
    x_train, x_test = (x_train - x_mean) / x_std, (x_test - x_mean) / x_std
    y_train, y_test = (y_train - y_mean) / y_std, (y_test - y_mean) / y_std

    net = WindNet(s.widths)
    optimizer = torch.optim.Adam(net.parameters(), lr=s.rate)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=s.epochs)
    loss_fn = nn.MSELoss()
    for epoch in range(s.epochs):
        net.train()
        total = 0.0
        for rows in torch.randperm(len(x_train)).split(s.batch):
            optimizer.zero_grad()
            loss = loss_fn(net(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows) / len(x_train)
        scheduler.step()
        print(f"epoch {epoch:02d} mse {total:.4f}")

    net.eval()
    with torch.no_grad():
        residual = ((net(x_test) - y_test) ** 2).sum(0)
    r2 = (1 - residual / ((y_test - y_test.mean(0)) ** 2).sum(0)).mean()
    print(f"R2 score: {r2.item():.4f}")


main()
