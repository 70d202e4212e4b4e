import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(60)
torch.manual_seed(60)
X = rng.normal(size=(900, 30)).astype(np.float32)
score = X[:, 0] + 0.8 * X[:, 1] - 0.6 * X[:, 2] + 1.2 * rng.normal(size=900)
y = (score > 0).astype(np.int64)
X, y = torch.from_numpy(X), torch.from_numpy(y)
X_train, y_train, X_val, y_val = X[:300], y[:300], X[300:], y[300:]

model = nn.Sequential(nn.Linear(30, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
epochs = 100
loss_fn = nn.CrossEntropyLoss()
for epoch in range(1, epochs + 1):
    model.train()
    for rows in torch.randperm(300).split(30):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = loss_fn(model(X_val), y_val).item()
    print(f"epoch {epoch}: train loss {loss.item():.4f}, validation loss {val:.4f}")
