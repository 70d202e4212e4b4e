import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class Windows(Dataset):
    def __init__(self, series, length):
        self.series, self.length = series, length

    def __len__(self):
        return len(self.series) - self.length

    def __getitem__(self, i):
        return self.series[i:i + self.length], self.series[i + self.length, 0]


class Forecaster(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(2, 32, batch_first=True)
        self.fc = nn.Linear(32, 1)

    def forward(self, x):
        out, _ = self.gru(x)
        return self.fc(out[:, -1]).squeeze(-1)


rng = np.random.default_rng(19)
torch.manual_seed(19)
t = np.arange(1500)
temperature = 12 + 9 * np.sin(2 * np.pi * t / 60) + 3 * np.sin(2 * np.pi * t / 7) + rng.normal(0, 1.0, 1500)
pressure = 1013 + 5 * np.cos(2 * np.pi * t / 60) + rng.normal(0, 2, 1500)
series = np.stack([temperature, pressure], 1)
series = (series - series[:1100].mean(0)) / series[:1100].std(0)
series = torch.tensor(series, dtype=torch.float32)
train = DataLoader(Windows(series[:1100], 20), batch_size=40, shuffle=True)
test = DataLoader(Windows(series[1100:], 20), batch_size=500)

model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
loss_fn = nn.MSELoss()
for epoch in range(12):
    model.train()
    total = 0
    for x, y in train:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch + 1}: {total / len(train):.4f}")
model.eval()
with torch.no_grad():
    x, y = next(iter(test))
    r2 = 1 - loss_fn(model(x), y) / y.var()
print("R2 of the forecast", r2.item())
