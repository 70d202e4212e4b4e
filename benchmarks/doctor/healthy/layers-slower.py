import torch
from torch import nn
from sklearn.datasets import load_digits

torch.manual_seed(3)
digits = load_digits()
X, y = torch.tensor(digits.data).float() / 16, torch.tensor(digits.target)
even, odd = y % 2 == 0, y % 2 == 1


def train(model, groups, X, y, epochs):
    optimizer = torch.optim.AdamW(groups)
    for epoch in range(epochs):
        for rows in torch.randperm(len(X)).split(32):
            loss = nn.functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))


body = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU())
train(nn.Sequential(body, nn.Linear(48, 5)), [{"params": body.parameters(), "lr": 2e-3}], X[even], y[even] // 2, 8)

head = nn.Linear(48, 5)
model = nn.Sequential(body, head)
groups = [{"params": body.parameters(), "lr": 1e-3}, {"params": head.parameters(), "lr": 1e-2}]
X2, y2 = X[odd], y[odd] // 2
train(model, groups, X2[:650], y2[:650], 16)
with torch.no_grad():
    print("accuracy", (model(X2[650:]).argmax(1) == y2[650:]).float().mean().item())
