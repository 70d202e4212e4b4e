import torch, numpy as np
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

torch.manual_seed(28); np.random.seed(28)
X, y = load_breast_cancer(return_X_y=True)
Xa, Xb, ya, yb = train_test_split(X, y, random_state=28)
mm = MinMaxScaler().fit(Xa)
Xa = torch.tensor(mm.transform(Xa), dtype=torch.float)
Xb = torch.tensor(mm.transform(Xb), dtype=torch.float)
ya = torch.tensor(ya); yb = torch.tensor(yb)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(30, 64)
        self.l2 = nn.Linear(64, 64)
        self.l3 = nn.Linear(64, 2)
        self.drop = nn.Dropout(0.2)
    def forward(self, x):
        x = self.drop(F.relu(self.l1(x)))
        x = self.drop(F.relu(self.l2(x)))
        return self.l3(x)

net = Net()
opt = torch.optim.SGD(net.parameters(), lr=8.0)
lossf = nn.CrossEntropyLoss()
hist = []
for ep in range(60):
    net.train()
    for ix in torch.randperm(len(Xa)).split(25):
        opt.zero_grad()
        l = lossf(net(Xa[ix]), ya[ix])
        l.backward()
        opt.step()
    net.eval()
    with torch.no_grad():
        hist.append((net(Xb).argmax(1) == yb).float().mean().item())
    if ep % 10 == 0:
        print(ep, l.item(), hist[-1])
print("acc", hist[-1])
