# Density of the flow of traffic at two junctions: RealNVP with six coupling layers.
import math

import torch
import torch.nn as nn

torch.manual_seed(27)


def traffic(n):
    t = torch.rand(n, 1) * 2 * math.pi
    a = torch.cos(t) + 0.04 * torch.randn(n, 1)
    b = torch.sin(2 * t) / 2 + 0.04 * torch.randn(n, 1)
    return torch.cat([a, b], 1) * 0.1  # thousands of cars a minute


class Coupling(nn.Module):
    def __init__(self, flip, hidden=64):
        super().__init__()
        self.flip = flip
        self.net = nn.Sequential(nn.Linear(1, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2))

    def forward(self, x):
        a, b = x[:, :1], x[:, 1:]
        if self.flip:
            a, b = b, a
        s, t = self.net(a).chunk(2, dim=1)
        s = torch.tanh(s) * 2
        b = b * s.exp() + t
        return torch.cat([b, a] if self.flip else [a, b], 1), s.squeeze(1)


class RealNVP(nn.Module):
    def __init__(self, layers=6):
        super().__init__()
        self.log_scale = nn.Parameter(torch.full((2,), math.log(10.0)))
        self.layers = nn.ModuleList(Coupling(flip=i % 2 == 1) for i in range(layers))

    def log_prob(self, x):
        z, log_det = x * self.log_scale.exp(), self.log_scale.sum().expand(len(x))
        for layer in self.layers:
            z, s = layer(z)
            log_det = log_det + s
        return log_det - 0.5 * (z ** 2).sum(1) - math.log(2 * math.pi)


train, test = traffic(4000), traffic(1000)
flow = RealNVP()
optimizer = torch.optim.Adam(flow.parameters(), lr=2e-3)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 700)
for step in range(700):
    batch = train[torch.randint(0, len(train), (200,))]
    loss = -flow.log_prob(batch).mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
    optimizer.step()
    scheduler.step()
    if step % 100 == 99:
        print(f"step {step + 1} nll {loss.item():.4f}")

flow.eval()
with torch.no_grad():
    print(f"held-out nll {-flow.log_prob(test).mean().item():.4f}")
