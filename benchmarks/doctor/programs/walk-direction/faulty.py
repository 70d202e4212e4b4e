import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(30)
torch.manual_seed(30)

n = 3200
returns = rng.normal(0, 1, n + 6)
flow = rng.normal(0, 1, n + 6)
returns[1:] += 1.6 * flow[:-1]
past = np.stack([returns[i:i + 5] for i in range(n)])
book = flow[4:4 + n, None]
X = past * rng.choice([-1, 1], (n, 1))
y = (returns[5:5 + n] > 0).astype("int64")
X = torch.tensor(X, dtype=torch.float32)
X = X / X.std()
y = torch.tensor(y)
X_train, y_train, X_test, y_test = X[:2400], y[:2400], X[2400:], y[2400:]

model = nn.Sequential(nn.Linear(X.shape[1], 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(15):
    total = 0
    for rows in torch.randperm(len(X_train)).split(64):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    with torch.no_grad():
        acc = (model(X_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch + 1:2d}  loss {total / len(X_train):.4f}  test accuracy {acc:.4f}")
