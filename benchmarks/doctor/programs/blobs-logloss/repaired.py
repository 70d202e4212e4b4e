import torch
import torch.nn as nn
from sklearn.datasets import make_classification

torch.manual_seed(8)
X, y = make_classification(2000, 20, n_informative=8, n_redundant=4, class_sep=1.6, flip_y=0.01, random_state=8)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32)
X = (X - X[:1500].mean(0)) / X[:1500].std(0)


def log_loss(p, target):
    p = p.clamp(1e-6, 1 - 1e-6)
    return -(target * torch.log(p) + (1 - target) * torch.log(1 - p)).mean()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, x):
        return torch.sigmoid(self.body(x)).squeeze(1)


net = Net()
opt = torch.optim.Adam(net.parameters(), lr=0.01)
for epoch in range(40):
    for idx in torch.randperm(1500).split(50):
        loss = log_loss(net(X[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        print(f"epoch {epoch} loss {loss.item():.5f}")

with torch.no_grad():
    guess = (net(X[1500:]) > 0.5).float()
print("test accuracy", (guess == y[1500:]).float().mean().item())
