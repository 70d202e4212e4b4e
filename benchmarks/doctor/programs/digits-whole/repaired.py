import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(19)
d = load_digits()
x = torch.tensor(d.data / 16, dtype=torch.float32)
t = torch.tensor(d.target)
p = torch.randperm(len(x))
x, t = x[p], t[p]
x_train, t_train = x[:1500], t[:1500]
x_test, t_test = x[1500:], t[1500:]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.h1 = nn.Linear(64, 80)
        self.h2 = nn.Linear(80, 40)
        self.o = nn.Linear(40, 10)

    def forward(self, v):
        return self.o(F.relu(self.h2(F.relu(self.h1(v)))))


BATCH_SIZE = 32
net = Net()
opt = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
for epoch in range(15):
    order = torch.randperm(1500)
    for b in range(0, 1500, BATCH_SIZE):
        rows = order[b:b + BATCH_SIZE]
        loss = F.cross_entropy(net(x_train[rows]), t_train[rows])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"Epoch {epoch + 1}: {loss.item():.4f}")
acc = (net(x_test).argmax(1) == t_test).float().mean()
print(f"Test accuracy: {acc.item():.4f}")
