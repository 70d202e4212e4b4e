import numpy as np
import torch
from torch import nn

torch.manual_seed(11)
rng = np.random.default_rng(11)


def images(n):
    """Rings (1) and discs (0) of different sizes on a noisy ground."""
    labels = rng.integers(0, 2, n)
    grid = np.mgrid[:14, :14]
    out = np.empty((n, 1, 14, 14), dtype=np.float32)
    for i, label in enumerate(labels):
        c = rng.uniform(5, 9, 2)
        r = rng.uniform(2.5, 4.5)
        d = np.sqrt(((grid - c[:, None, None]) ** 2).sum(0))
        shape = (d < r) if label == 0 else ((d < r) & (d > r - 1.6))
        out[i, 0] = shape * rng.uniform(0.4, 1.5) + rng.normal(0, 0.2, (14, 14)) + rng.uniform(-0.5, 0.5)
    return torch.from_numpy(out), torch.from_numpy(labels)


X_train, y_train = images(1200)
X_test, y_test = images(400)

model = nn.Sequential(
    nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU(),
    nn.Flatten(), nn.Dropout(0.5), nn.Linear(16 * 16, 32), nn.ReLU(), nn.Dropout(0.5), nn.Linear(32, 2),
)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(8):
    model.train()
    for batch in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    print("epoch", epoch + 1, "loss", round(loss.item(), 4))

hits = 0
with torch.no_grad():
    for x, y in zip(X_test, y_test):
        hits += int(model(x[None]).argmax() == y)
print("test accuracy", hits / len(y_test))
