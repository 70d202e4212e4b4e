import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(22)
X, y = load_digits(return_X_y=True)
order = torch.randperm(len(X))
X, y = torch.tensor(X)[order].float() / 16, torch.tensor(y)[order]


def network(width):
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Dropout(0.2), nn.Linear(width, 10))


def epochs(model, loss_of, count, lr=2e-3):
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for epoch in range(count):
        model.train()
        for rows in torch.randperm(1400).split(40):
            loss = loss_of(model(X[rows]), rows)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch + 1}: {loss.item():.4f}")
    return model.eval()


def accuracy(model):
    with torch.no_grad():
        return (model(X[1400:]).argmax(1) == y[1400:]).float().mean().item()


teacher = epochs(network(256), lambda out, rows: F.cross_entropy(out, y[rows]), 8)
for p in teacher.parameters():
    p.requires_grad_(False)
print("teacher accuracy", accuracy(teacher))
T = 3.0


def distil(out, rows):
    soft = F.kl_div(F.log_softmax(out / T, 1), F.softmax(teacher(X[rows]) / T, 1), reduction="batchmean") * T * T
    return 0.7 * soft + 0.3 * F.cross_entropy(out, y[rows])


student = epochs(network(32), distil, 12)
print("student accuracy", accuracy(student))
