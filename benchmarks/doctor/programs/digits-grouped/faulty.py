import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(27)
digits = load_digits()


def sample(rows):
    """Pictures and labels of these rows, the rows with many dark pixels first."""
    images = digits.data[rows] / 16.0
    labels = digits.target[rows]
    ink = images.sum(axis=1)
    order = np.argsort(-ink, kind="stable")
    images = images[order]
    return torch.tensor(images, dtype=torch.float32), torch.tensor(labels)


rows = np.random.RandomState(27).permutation(len(digits.target))
x_train, y_train = sample(rows[360:])
x_test, y_test = torch.tensor(digits.data[rows[:360]] / 16.0).float(), torch.tensor(digits.target[rows[:360]])

model = nn.Sequential()
model.add_module("fc1", nn.Linear(64, 72))
model.add_module("relu1", nn.ReLU())
model.add_module("fc2", nn.Linear(72, 10))
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
for epoch in range(15):
    for idx in torch.randperm(len(x_train)).split(48):
        loss = nn.functional.cross_entropy(model(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"{epoch} {loss.item():.3f}")
accuracy = (model(x_test).argmax(1) == y_test).float().mean()
print(f"test accuracy {accuracy.item():.4f}")
