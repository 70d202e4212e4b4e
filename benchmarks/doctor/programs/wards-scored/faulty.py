import numpy as np
import torch
from torch import nn

torch.manual_seed(64)
rng = np.random.default_rng(64)


def ward(n, offset, scale):
    x = rng.normal(size=(n, 8))
    y = (1.5 * x[:, 0] * x[:, 1] + x[:, 2] - 0.7 * x[:, 3] > 0).astype(np.int64)
    return (x * scale + offset).astype(np.float32), y


# two wards with devices of different makers
Xa, ya = ward(1200, 0.0, 1.0)
Xb, yb = ward(1000, np.linspace(2, -2, 8), np.linspace(0.5, 2.5, 8))
X_train, y_train = Xa, ya
mean, std = X_train.mean(0), X_train.std(0)
X_train, X_test = (X_train - mean) / std, (Xb[500:] - mean) / std
X_train, X_test = torch.from_numpy(X_train), torch.from_numpy(X_test)
y_train, y_test = torch.from_numpy(y_train), torch.from_numpy(yb[500:])

model = nn.Sequential(nn.Linear(8, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(20):
    for rows in torch.randperm(len(X_train)).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} loss {loss.item():.4f}")
with torch.no_grad():
    print(f"accuracy in ward B {(model(X_test).argmax(1) == y_test).float().mean().item():.4f}")
