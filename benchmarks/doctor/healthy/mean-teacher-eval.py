import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(33)
X, y = load_digits(return_X_y=True)
X, y = torch.tensor(X).float().view(-1, 1, 8, 8) / 16, torch.tensor(y)
order = torch.randperm(len(X))
X, y = X[order], y[order]

body = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.Flatten(),
)
head = nn.Linear(512, 10)
model = nn.Sequential(body, head)
loss_fn = nn.CrossEntropyLoss()


def epoch(optimizer, rows, frozen_statistics):
    model.train()
    if frozen_statistics:
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.eval()
    for i in rows[torch.randperm(len(rows))].split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(X[i]), y[i])
        loss.backward()
        optimizer.step()
    print(f"loss {loss.item():.4f}")


first, second, test = torch.arange(0, 800), torch.arange(800, 1400), torch.arange(1400, len(X))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for _ in range(4):
    epoch(optimizer, first, False)
optimizer = torch.optim.SGD(model.parameters(), lr=5e-3, momentum=0.9)
for _ in range(4):
    epoch(optimizer, second, True)
model.eval()
with torch.no_grad():
    print("accuracy", (model(X[test]).argmax(1) == y[test]).float().mean().item())
