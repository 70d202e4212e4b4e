import torch
import torch.nn as nn
import torch.optim as optim

torch.manual_seed(40)
X = torch.rand(1500, 3) * 4 - 2
y = torch.sin(2 * X[:, :1]) + X[:, 1:2] * X[:, 2:3] * 0.5 + 0.05 * torch.randn(1500, 1)
X_train, X_test, y_train, y_test = X[:1200], X[1200:], y[:1200], y[1200:]


class Regressor(nn.Module):
    def __init__(self):
        super(Regressor, self).__init__()
        self.fc1 = nn.Linear(3, 64)
        self.fc2 = nn.Linear(64, 64)
        self.fc3 = nn.Linear(64, 1)

    def forward(self, x):
        x = torch.tanh(self.fc1(x))
        x = torch.tanh(self.fc2(x))
        return self.fc3(x)


net = Regressor()
criterion = nn.MSELoss(reduction="sum")
optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
batch_size = 100
for epoch in range(80):
    perm = torch.randperm(1200)
    running_loss = 0.0
    for i in range(0, 1200, batch_size):
        idx = perm[i:i + batch_size]
        optimizer.zero_grad()
        loss = criterion(net(X_train[idx]), y_train[idx])
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    if epoch % 20 == 19:
        print("[%d] loss: %.4f" % (epoch + 1, running_loss / 12))

with torch.no_grad():
    r2 = 1 - ((net(X_test) - y_test) ** 2).mean() / y_test.var()
print("test R2 %.4f" % r2.item())
