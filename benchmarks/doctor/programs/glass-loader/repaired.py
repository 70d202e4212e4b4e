import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(68)
rng = np.random.default_rng(68)
X = rng.uniform(-2, 2, (2600, 3)).astype(np.float32)
y = ((np.sin(2 * X[:, 0]) > X[:, 1]) ^ (X[:, 2] > 0.4)).astype(np.int64)
data = TensorDataset(torch.from_numpy(X[:2000]), torch.from_numpy(y[:2000]))
loader = DataLoader(data, batch_size=40, shuffle=True)

model = nn.Sequential(nn.Linear(3, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(1, 26):
    model.train()
    for xb, yb in loader:
        loss = loss_fn(model(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch:2d} loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    right = model(torch.from_numpy(X[2000:])).argmax(1).numpy() == y[2000:]
print(f"test accuracy {right.mean():.4f}")
