"""Random Fourier features: a wide first layer that stays as drawn, and a linear readout that is learned."""
import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class RandomFourier(nn.Module):
    def __init__(self, n_in, n_features, length):
        super().__init__()
        self.directions = nn.Linear(n_in, n_features)
        nn.init.normal_(self.directions.weight, std=1 / length)
        nn.init.uniform_(self.directions.bias, 0, 2 * math.pi)
        self.directions.requires_grad_(False)
        self.scale = math.sqrt(2.0 / n_features)
        self.readout = nn.Linear(n_features, 1)

    def forward(self, x):
        return self.readout(self.scale * torch.cos(self.directions(x))).squeeze(-1)


torch.manual_seed(6)
x = torch.rand(3000, 3) * 4 - 2
y = torch.sin(1.5 * x[:, 0]) * torch.cos(x[:, 1]) + 0.5 * torch.sin(x[:, 1] * x[:, 2]) + 0.05 * torch.randn(3000)
train = DataLoader(TensorDataset(x[:2400], y[:2400]), batch_size=60, shuffle=True)

model = RandomFourier(3, 800, length=1.0)
learned = [p for p in model.parameters() if p.requires_grad]
print(sum(p.numel() for p in learned), "of", sum(p.numel() for p in model.parameters()), "weights are learned")
optimizer = torch.optim.SGD(learned, lr=0.5, momentum=0.9)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 15, 0.3)

for epoch in range(40):
    total = 0.0
    for xb, yb in train:
        loss = nn.functional.mse_loss(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() / len(train)
    scheduler.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1} mse {total:.4f}")

with torch.no_grad():
    r2 = 1 - ((model(x[2400:]) - y[2400:]) ** 2).mean() / y[2400:].var()
print(f"R2 on held-back points: {r2.item():.4f}")
