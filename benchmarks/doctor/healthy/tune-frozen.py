import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(0)
digits = load_digits()
X = torch.tensor(digits.images).float().unsqueeze(1) / 16
y = torch.tensor(digits.target)
low, high = y < 5, y >= 5


def features():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.Flatten()
    )


def fit(model, X, y, lr, epochs):
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=lr)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        for rows in torch.randperm(len(X)).split(32):
            optimizer.zero_grad()
            loss = loss_fn(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch + 1} loss {loss.item():.4f}")


print("pretraining on digits 0-4")
backbone = features()
fit(nn.Sequential(backbone, nn.Linear(512, 5)), X[low], y[low], 1e-3, 5)

print("fine-tuning the head on digits 5-9")
for p in backbone.parameters():
    p.requires_grad = False
model = nn.Sequential(backbone, nn.Linear(512, 5))
X_high, y_high = X[high], y[high] - 5
fit(model, X_high[:600], y_high[:600], 3e-3, 8)

model.eval()
with torch.no_grad():
    acc = (model(X_high[600:]).argmax(1) == y_high[600:]).float().mean().item()
print(f"accuracy on digits 5-9: {acc:.4f}")
