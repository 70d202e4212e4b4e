from sklearn.datasets import make_circles, make_moons
import torch
from torch import nn, optim

torch.manual_seed(2)
Xa, ya = make_moons(600, noise=0.12, random_state=2)
Xb, yb = make_circles(600, noise=0.05, factor=0.4, random_state=2)
X = torch.cat([torch.tensor(Xa), torch.tensor(Xb) - torch.tensor([0.0, 4.0])]).float()
y = torch.cat([torch.tensor(ya), torch.tensor(yb)]).float()
perm = torch.randperm(len(X))
X, y = X[perm], y[perm]
X = (X - X[:900].mean(0)) / X[:900].std(0)


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 64)
        self.b = nn.Linear(64, 64)
        self.c = nn.Linear(64, 1)

    def forward(self, x):
        x = self.a(x)
        x = self.b(x)
        return self.c(x).squeeze(-1)


clf = Classifier()
optimizer = optim.Adam(clf.parameters(), lr=0.005)
bce = nn.BCEWithLogitsLoss()
for epoch in range(60):
    clf.train()
    for k in range(0, 900, 60):
        loss = bce(clf(X[k:k + 60]), y[k:k + 60])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print(f"{epoch:3d} {loss.item():.4f}")
clf.eval()
with torch.inference_mode():
    p = torch.sigmoid(clf(X[900:]))
print(f"test accuracy {((p > 0.5) == y[900:].bool()).float().mean():.3f}")
