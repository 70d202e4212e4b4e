import torch
from torch import nn, optim

torch.manual_seed(34)


def lens(n):
    """Focal length of a thick lens (millimetres, scaled)."""
    r1 = torch.rand(n) * 60 + 30
    r2 = -(torch.rand(n) * 60 + 30)
    d = torch.rand(n) * 8 + 2
    index = torch.rand(n) * 0.4 + 1.4
    power = (index - 1) * (1 / r1 - 1 / r2 + (index - 1) * d / (index * r1 * r2))
    x = torch.stack([(r1 - 60) / 17, (r2 + 60) / 17, (d - 6) / 2.3, (index - 1.6) / 0.115], dim=1)
    return x, ((1 / power / 10 - 5) / 2).unsqueeze(1)


class Surrogate(nn.Module):
    def __init__(self):
        super().__init__()
        self.stack = nn.Sequential(nn.Linear(4, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 1))

    def forward(self, x):
        return self.stack(x)


def half_mse(a, b):
    return 0.5 * ((a - b) ** 2).mean()


x, y = lens(2000)
x_val, y_val = lens(400)
model = Surrogate()
opt = optim.AdamW(model.parameters(), lr=2e-3)
schedule = optim.lr_scheduler.CosineAnnealingLR(opt, T_max=30)
for epoch in range(30):
    model.train()
    for rows in torch.randperm(2000).split(50):
        opt.zero_grad()
        half_mse(model(x[rows]), y[rows]).backward()
        opt.step()
    schedule.step()
model.eval()
with torch.no_grad():
    residual = model(x_val).flatten() - y_val.flatten()
    print("R2", (1 - residual.pow(2).mean() / y_val.var()).item())
