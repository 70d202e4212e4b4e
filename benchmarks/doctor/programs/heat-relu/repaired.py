import numpy as np
import torch
import torch.nn as nn

np.random.seed(29)
torch.manual_seed(29)

# change of temperature over a night
cloud = np.random.rand(1600)
wind = np.random.gamma(2, 2, 1600)
start = np.random.uniform(-5, 25, 1600)
change = -6 * (1 - cloud) / (1 + 0.3 * wind) + 1.5 * cloud - 0.08 * start + 1.4 + 0.3 * np.random.randn(1600)
X = np.stack([cloud, wind, start], 1)
X = torch.tensor((X - X[:1200].mean(0)) / X[:1200].std(0), dtype=torch.float32)
y = torch.tensor(change / change[:1200].std(), dtype=torch.float32).view(-1, 1)


class Night(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 24)
        self.fc2 = nn.Linear(24, 24)
        self.fc3 = nn.Linear(24, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


model = Night()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
loss_fn = nn.MSELoss()
for epoch in range(40):
    for rows in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 0:
        print("epoch", epoch, "mse", loss.item())
with torch.no_grad():
    out = model(X[1200:])
    r2 = 1 - ((out - y[1200:]) ** 2).sum() / ((y[1200:] - y[1200:].mean()) ** 2).sum()
print("R^2", round(r2.item(), 4))
