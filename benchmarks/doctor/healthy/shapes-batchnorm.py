import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def picture(kind, rng):
    p = np.zeros((14, 14), np.float32)
    y, x = np.mgrid[:14, :14]
    cy, cx, r = rng.integers(5, 9), rng.integers(5, 9), rng.integers(3, 5)
    if kind == 0:
        p[np.hypot(y - cy, x - cx) <= r] = 1
    elif kind == 1:
        p[(abs(y - cy) <= r) & (abs(x - cx) <= r)] = 1
        p[(abs(y - cy) < r) & (abs(x - cx) < r)] = 0
    elif kind == 2:
        p[(y - cy >= -r) & (y - cy <= r) & (abs(x - cx) * 2 <= (y - cy + r))] = 1
    else:
        p[(abs(y - cy) == abs(x - cx)) & (abs(y - cy) <= r)] = 1
    return p + rng.normal(0, 0.15, p.shape)


def make(n, seed):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 4, n)
    x = np.stack([picture(k, rng) for k in kinds])[:, None]
    return TensorDataset(torch.tensor(x, dtype=torch.float32), torch.tensor(kinds))


def conv_block(a, b):
    return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(inplace=True))


torch.manual_seed(0)
train_loader = DataLoader(make(1200, 0), batch_size=50, shuffle=True, drop_last=True)
test_loader = DataLoader(make(400, 1), batch_size=100)
model = nn.Sequential(conv_block(1, 8), nn.MaxPool2d(2), conv_block(8, 16), nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(144, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=5e-4)
scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)
criterion = nn.CrossEntropyLoss()
for epoch in range(8):
    model.train()
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    scheduler.step()
    model.eval()
    correct = 0
    with torch.no_grad():
        for x, y in test_loader:
            correct += (model(x).argmax(1) == y).sum().item()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
print("Test accuracy:", correct / 400)
