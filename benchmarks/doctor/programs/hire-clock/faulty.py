"""Hourly bicycle hires from the weather station on the roof and the clock."""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(3)
rng = np.random.default_rng(3)


def station(n):
    hour = rng.uniform(0, 24, n)
    temperature = 12 + 9 * np.sin((hour - 9) / 24 * 2 * np.pi) + rng.normal(0, 5, n)
    humidity = np.clip(rng.normal(65, 18, n), 10, 100)                        # %
    pressure = rng.normal(101325, 900, n)                                     # Pa
    light = np.clip(70000 * np.sin((hour - 6) / 12 * np.pi), 0, None) * rng.uniform(0.3, 1, n)   # lux
    wind = rng.gamma(2.0, 1.8, n)
    hires = (3 * np.exp(-((hour - 8) / 1.6) ** 2) + 3.5 * np.exp(-((hour - 17.5) / 2) ** 2)
             + 0.09 * temperature - 0.02 * np.clip(humidity - 60, 0, None)
             + 0.0007 * (pressure - 101325) + 0.00001 * light - 0.12 * wind)
    x = np.stack([np.sin(hour / 12 * np.pi), np.cos(hour / 12 * np.pi), temperature, humidity, pressure, light, wind], 1)
    return x, hires + rng.normal(0, 0.3, n)


class Hires(Dataset):
    def __init__(self, x, y):
        self.x = torch.tensor(x, dtype=torch.float32)
        self.y = torch.tensor(y, dtype=torch.float32)

    def __len__(self):
        return len(self.y)

    def __getitem__(self, i):
        return self.x[i], self.y[i]


class Net(nn.Module):
    def __init__(self, n_in):
        super().__init__()
        self.fc1 = nn.Linear(n_in, 64)
        self.fc2 = nn.Linear(64, 64)
        self.out = nn.Linear(64, 1)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.out(x).squeeze(1)


x, y = station(4000)
train_set = Hires(x[:3200], y[:3200])
test_set = Hires(x[3200:], y[3200:])
train_loader = DataLoader(train_set, batch_size=64, shuffle=True)
net = Net(x.shape[1])
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
mse = nn.MSELoss()

for epoch in range(30):
    net.train()
    total = 0.0
    for xb, yb in train_loader:
        loss = mse(net(xb), yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(yb)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1:2d}  train mse {total / len(train_set):.4f}")

net.eval()
with torch.no_grad():
    rest = ((net(test_set.x) - test_set.y) ** 2).sum() / ((test_set.y - test_set.y.mean()) ** 2).sum()
print(f"test R2 {1 - rest.item():.4f}")
