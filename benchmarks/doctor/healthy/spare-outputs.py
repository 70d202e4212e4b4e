import numpy as np
import torch
from torch import nn

torch.manual_seed(28)
rng = np.random.default_rng(28)
N_CLASSES = 100


def batch_of(n):
    y = rng.integers(0, 3, n)
    x = rng.normal(0, 0.3, (n, 1, 8, 8))
    for i, k in enumerate(y):
        r, c = rng.integers(1, 6, 2)
        x[i, 0, r, c:c + 3 if k != 1 else c + 1] += 1.5
        x[i, 0, r:r + 3 if k != 0 else r + 1, c] += 1.5
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


x, y = batch_of(1500)
x_val, y_val = batch_of(400)
model = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(16, N_CLASSES))
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(14):
    model.train()
    for rows in torch.randperm(1500).split(50):
        optimizer.zero_grad()
        loss = criterion(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(x_val).argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch + 1} loss {loss.item():.4f} val accuracy {acc:.4f}")
