import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(13)
torch.manual_seed(13)
X = rng.normal(size=(4500, 4)).astype("float32")
p = np.where(X[:, 0] + X[:, 1] * X[:, 2] > 0, 0.8, 0.2)
y = (rng.uniform(size=4500) < p).astype("int64")
X, y = torch.from_numpy(X), torch.from_numpy(y)
train, test = slice(0, 3500), slice(3500, 4500)

model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
loss_fn = nn.CrossEntropyLoss()
best = 0.0
for epoch in range(10):
    model.train()
    for rows in torch.randperm(3500).split(64):
        optimizer.zero_grad()
        loss = loss_fn(model(X[train][rows]), y[train][rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        acc = (model(X[test]).argmax(1) == y[test]).float().mean().item()
    print(f"epoch {epoch}: loss {loss.item():.3f} acc {acc:.3f}")
print(f"test accuracy {acc:.3f}")
