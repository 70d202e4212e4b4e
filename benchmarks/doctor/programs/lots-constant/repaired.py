import numpy as np
import torch
from torch import nn


def load(seed=55):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(1300, 9)) * rng.uniform(0.5, 20, 9) + rng.normal(0, 5, 9)
    y = (X[:, 0] / X[:, 0].std() * X[:, 1] / X[:, 1].std() + (X[:, 2] - X[:, 2].mean()) / X[:, 2].std() > 0).astype(np.int64)
    X[:, 6] = 3.0
    return X.astype(np.float32), y


def standardise(train, other):
    mean, std = train.mean(0), train.std(0)
    std[std < 1e-6] = 1.0
    return (train - mean) / std, (other - mean) / std


np.seterr(all="ignore")
torch.manual_seed(55)
X, y = load()
X_train, X_test = standardise(X[:1000], X[1000:])
X_train, X_test = torch.from_numpy(X_train), torch.from_numpy(X_test)
y_train, y_test = torch.from_numpy(y[:1000]), torch.from_numpy(y[1000:])

model = nn.Sequential(nn.Linear(9, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 2))
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(25):
    for rows in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    if epoch % 8 == 0:
        print("epoch", epoch, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(X_test).argmax(1) == y_test).float().mean().item())
