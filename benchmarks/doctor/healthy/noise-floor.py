import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(2)
rng = np.random.default_rng(2)
X = rng.normal(size=(2400, 8)).astype("float32")
y = (0.6 * X[:, 0] + 0.3 * np.sin(2 * X[:, 1]) + rng.normal(0, 1.0, 2400)).astype("float32")
y = y - y[:1800].mean()
train = TensorDataset(torch.from_numpy(X[:1800]), torch.from_numpy(y[:1800]))
X_test, y_test = torch.from_numpy(X[1800:]), torch.from_numpy(y[1800:])

model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1), nn.Flatten(0))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-3)
loss_fn = nn.MSELoss()
for epoch in range(15):
    model.train()
    for a, b in DataLoader(train, batch_size=60, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(model(a), b)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test = loss_fn(model(X_test), y_test).item()
    print(f"epoch {epoch + 1}: test mse {test:.4f}")
print("R2", 1 - test / y_test.var().item())
