import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)
rng = np.random.default_rng(4)


def textures(n):
    y = rng.integers(0, 3, n)
    u, v = np.mgrid[:12, :12]
    x = np.empty((n, 1, 12, 12), dtype="float32")
    for i, k in enumerate(y):
        f = rng.uniform(0.8, 1.4)
        p = rng.uniform(0, 6.3)
        pattern = (np.sin(f * u + p), np.sin(f * v + p), np.sin(f * (u + v) / 1.4 + p))[k]
        x[i, 0] = rng.uniform(0.3, 3.0) * pattern + rng.normal(0, 0.4, (12, 12)) + rng.normal(0, 1.5)
    return TensorDataset(torch.from_numpy(x), torch.from_numpy(y))


train_set, test_set = textures(800), textures(300)
train_loader = DataLoader(train_set, batch_size=2, shuffle=True)
test_loader = DataLoader(test_set, batch_size=100)

net = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(),
    nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    nn.BatchNorm1d(8), nn.Linear(8, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 3),
)
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
criterion = nn.CrossEntropyLoss()
epochs = 3
for epoch in range(epochs):
    net.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: {loss.item():.4f}")

net.eval()
correct = 0
with torch.no_grad():
    for x, y in test_loader:
        correct += (net(x).argmax(1) == y).sum().item()
print(f"test accuracy {correct / 300:.4f}")
