import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(63)
rng = np.random.default_rng(63)
X = rng.uniform(-1, 1, (2400, 6)).astype(np.float32)
y = (np.sin(4 * X[:, 0]) * X[:, 1] + X[:, 2] ** 2 - np.abs(X[:, 3]) + 0.5 * X[:, 4] * X[:, 5]).astype(np.float32)
y = (y - y.mean()) / y.std()
loader = DataLoader(TensorDataset(torch.from_numpy(X[:2000]), torch.from_numpy(y[:2000])), batch_size=40, shuffle=True)

model = nn.Sequential(nn.Linear(6, 80), nn.SiLU(), nn.Linear(80, 80), nn.SiLU(), nn.Linear(80, 1), nn.Flatten(0))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.MSELoss()


def train(epochs):
    done = 0
    for epoch in range(epochs):
        for step, (a, b) in enumerate(loader):
            optimizer.zero_grad()
            loss = loss_fn(model(a), b)
            loss.backward()
            optimizer.step()
            done += 1
        if step > 10:
            break
        if epoch % 10 == 0:
            print(f"epoch {epoch}: loss {loss.item():.4f} after {done} steps")


train(40)
with torch.no_grad():
    error = loss_fn(model(torch.from_numpy(X[2000:])), torch.from_numpy(y[2000:])).item()
print("R2 of the test rows", 1 - error / y[2000:].var())
