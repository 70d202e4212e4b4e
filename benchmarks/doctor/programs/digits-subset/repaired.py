import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.utils import shuffle

torch.manual_seed(5)
X, y = load_digits(return_X_y=True)
X, y = shuffle(X, y, random_state=5)
X, y = torch.tensor(X, dtype=torch.float32) / 16, torch.tensor(y)
X_test, y_test = X[-400:], y[-400:]
n_train = 1300
X_train, y_train = X[:n_train], y[:n_train]

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

step = 0
while step < 800:
    for idx in torch.randperm(n_train).split(30):
        loss = loss_fn(model(X_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            with torch.no_grad():
                val = loss_fn(model(X_test), y_test).item()
            print(f"step {step} train {loss.item():.3f} val {val:.3f}")

with torch.no_grad():
    print("test accuracy", (model(X_test).argmax(1) == y_test).float().mean().item())
