import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

# ---- settings
SEED = 1
NUM_EPOCHS = 3
BATCH = 64
LR = 2e-3

# ---- data
np.random.seed(SEED)
torch.manual_seed(SEED)
theta = np.sqrt(np.random.rand(1000)) * 2 * np.pi
r = 2 * theta + np.pi
arms = []
for k in range(2):
    sign = 1 - 2 * k
    arms.append(sign * np.array([np.cos(theta) * r, np.sin(theta) * r]).T + np.random.randn(1000, 2) * 0.4)
X = np.vstack(arms).astype("float32") / 10
y = np.repeat([0, 1], 1000).astype("int64")
idx = np.random.permutation(2000)
X, y = torch.from_numpy(X[idx]), torch.from_numpy(y[idx])
train_dl = DataLoader(TensorDataset(X[:1600], y[:1600]), BATCH, shuffle=True)
val_dl = DataLoader(TensorDataset(X[1600:], y[1600:]), 200)

# ---- model
model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=LR)

# ---- training
for epoch in range(NUM_EPOCHS):
    model.train()
    for xb, yb in train_dl:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
    model.eval()
    hits = 0
    with torch.no_grad():
        for xb, yb in val_dl:
            hits += (model(xb).argmax(1) == yb).sum().item()
    print(f"epoch {epoch + 1}/{NUM_EPOCHS} loss {loss.item():.4f} val {hits / 400:.4f}")
print("Test accuracy:", hits / 400)
