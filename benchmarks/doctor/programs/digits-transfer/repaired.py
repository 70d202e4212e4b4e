"""Transfer: a small CNN learns the digits 0-4, then its features serve the digits 5-9."""
import copy

import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class SmallCNN(nn.Module):
    def __init__(self, n_classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        )
        self.classifier = nn.Linear(128, n_classes)

    def forward(self, x):
        return self.classifier(self.features(x))


def train(model, optimizer, x, y, epochs):
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        model.train()
        for batch in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            loss = criterion(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch + 1}: loss {loss.item():.4f}")


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


torch.manual_seed(6)
digits = load_digits()
x = torch.tensor(digits.images).float().unsqueeze(1) / 16
y = torch.tensor(digits.target)
old, new = y < 5, y >= 5

print("source task")
source = SmallCNN(5)
train(source, torch.optim.Adam(source.parameters(), lr=2e-3), x[old], y[old], epochs=6)

print("target task")
model = copy.deepcopy(source)
for p in model.features.parameters():
    p.requires_grad = False
model.classifier = nn.Linear(128, 5)
optimizer = torch.optim.Adam(model.classifier.parameters(), lr=5e-3)
x_new, y_new = x[new], y[new] - 5
order = torch.randperm(len(x_new))
train_rows, test_rows = order[:500], order[500:]
train(model, optimizer, x_new[train_rows], y_new[train_rows], epochs=15)
print("new digits accuracy", accuracy(model, x_new[test_rows], y_new[test_rows]))
