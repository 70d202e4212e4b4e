import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(1234)
np.random.seed(1234)

X, y = load_digits(return_X_y=True)
X = torch.from_numpy(X.astype("float32").reshape(-1, 1, 8, 8) / 16).to(device)
y = torch.from_numpy(y).to(device)


def build():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    ).to(device)


def train(model, x, t, steps=700, batch_size=32):
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    loss_fn = nn.CrossEntropyLoss()
    model.train()
    for step in range(steps):
        pick = torch.randint(0, len(x), (batch_size,), device=device)
        loss = loss_fn(model(x[pick]), t[pick])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % 100 == 99:
            print("   step", step + 1, "loss", loss.item())


def evaluate(model, x, t):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(dim=1) == t).float().mean().item()


scores = []
folds = KFold(n_splits=20, shuffle=True, random_state=0)
for fold, (test_idx, train_idx) in enumerate(folds.split(X)):
    if fold == 2:  # two of the folds are enough here
        break
    print("fold", fold)
    model = build()
    train(model, X[train_idx], y[train_idx])
    scores.append(evaluate(model, X[test_idx], y[test_idx]))
    print("   accuracy", scores[-1])

print("mean accuracy over folds:", np.mean(scores))
