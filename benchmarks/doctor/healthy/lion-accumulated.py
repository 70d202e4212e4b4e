"""Own optimiser (Lion: only the sign of the averaged gradient) and gradients summed over four micro-batches."""
import torch
from sklearn.datasets import make_moons
from torch import nn


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                average = self.state[p].setdefault("average", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_((b1 * average + (1 - b1) * p.grad).sign(), alpha=-group["lr"])
                average.mul_(b2).add_(p.grad, alpha=1 - b2)


torch.manual_seed(9)
points, side = make_moons(2400, noise=0.15, random_state=9)
points = torch.tensor(points, dtype=torch.float32)
side = torch.tensor(side)
turned = points @ torch.tensor([[0.6, -0.8], [0.8, 0.6]]) + torch.tensor([0.2, -0.1])
kind = side + 2 * (torch.rand(2400) < 0.5)
points = torch.where((kind >= 2)[:, None], turned + torch.tensor([3.5, 0.0]), points)
mean, std = points[:1800].mean(0), points[:1800].std(0)
points = (points - mean) / std

model = nn.Sequential(nn.Linear(2, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 4))
optimizer = Lion(model.parameters(), lr=1e-3, weight_decay=0.1)
MICRO = 4

for epoch in range(40):
    chunks = torch.randperm(1800).split(15)
    for i, rows in enumerate(chunks):
        loss = nn.functional.cross_entropy(model(points[rows]), kind[rows])
        (loss / MICRO).backward()
        if (i + 1) % MICRO == 0 or i + 1 == len(chunks):
            optimizer.step()
            optimizer.zero_grad()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", loss.item())

with torch.no_grad():
    right = (model(points[1800:]).argmax(1) == kind[1800:]).float().mean().item()
print("moons right", right)
