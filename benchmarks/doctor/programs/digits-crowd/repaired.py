import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

torch.manual_seed(31)
rng = np.random.default_rng(31)
X, truth = load_digits(return_X_y=True)
X = (X / 16.0).astype("float32")
order = rng.permutation(len(X))
X, truth = X[order], truth[order]

# each digit as one of five annotators read it
annotator = rng.integers(0, 5, 1400)
reliability = np.array([0.99, 0.25, 0.98, 0.15, 0.99])
answer = truth[:1400].copy()
slip = rng.random(1400) > reliability[annotator]
answer[slip] = (answer[slip] + rng.integers(1, 4, slip.sum())) % 10
use = np.isin(annotator, [0, 2, 4])

X_train = torch.from_numpy(X[:1400][use])
y_train = torch.from_numpy(answer[use])
X_test, y_test = torch.from_numpy(X[1400:]), torch.from_numpy(truth[1400:])

net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
ce = nn.CrossEntropyLoss()
for epoch in range(40):
    net.train()
    for rows in torch.randperm(len(X_train)).split(32):
        opt.zero_grad()
        loss = ce(net(X_train[rows]), y_train[rows])
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        net.eval()
        with torch.no_grad():
            train_acc = (net(X_train).argmax(1) == y_train).float().mean()
            test_acc = (net(X_test).argmax(1) == y_test).float().mean()
        print(f"epoch {epoch + 1}: train {train_acc:.3f} test {test_acc:.3f}")
print(f"test accuracy {test_acc.item():.4f}")
