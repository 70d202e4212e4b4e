import numpy as np
import torch
from torch import nn

torch.manual_seed(22)


def bars(n, seed):
    """Pictures of horizontal, vertical or diagonal bars."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.6, (n, 1, 10, 10))
    y = rng.integers(0, 3, n)
    for i in range(n):
        k = rng.integers(2, 8)
        if y[i] == 0:
            x[i, 0, k] += 1.5
        elif y[i] == 1:
            x[i, 0, :, k] += 1.5
        else:
            x[i, 0] += 1.5 * np.eye(10, k=int(k) - 5)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def cross_entropy(logits, target):
    picked = logits.log_softmax(1).gather(1, target[:, None])
    return -picked.sum()


x_train, y_train = bars(1600, 0)
x_test, y_test = bars(400, 1)
model = nn.Sequential(
    nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(300, 48), nn.ReLU(), nn.Linear(48, 3)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8)
for epoch in range(8):
    model.train()
    losses = []
    for rows in torch.randperm(1600).split(64):
        loss = cross_entropy(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print("epoch", epoch + 1, "loss", np.mean(losses))

model.eval()
with torch.no_grad():
    print("accuracy", (model(x_test).argmax(1) == y_test).float().mean().item())
