# Flow through a valve from six settings. Four small batches make one step.
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset


class ValveData(Dataset):
    def __init__(self, n, seed):
        rng = np.random.RandomState(seed)
        s = rng.uniform(-1, 1, (n, 6))
        flow = 2 * np.sin(2 * s[:, 0]) * s[:, 1] + s[:, 2] ** 2 - s[:, 3] + 0.5 * s[:, 4] * s[:, 5]
        flow += rng.randn(n) * 0.1
        self.settings = s.astype("float32")
        self.flow = flow.astype("float32")

    def __len__(self):
        return len(self.flow)

    def __getitem__(self, i):
        return self.settings[i], self.flow[i]


def evaluate(model, loader):
    model.eval()
    p, t = [], []
    with torch.no_grad():
        for settings, flow in loader:
            p.append(model(settings).reshape(-1))
            t.append(flow.reshape(-1))
    p, t = torch.cat(p), torch.cat(t)
    return (1 - ((t - p) ** 2).mean() / t.var(unbiased=False)).item()


torch.manual_seed(31)
accumulate = 4
train_loader = DataLoader(ValveData(1500, 31), batch_size=15, shuffle=True)
test_loader = DataLoader(ValveData(500, 31 + 1), batch_size=100)

model = nn.Sequential(nn.Linear(6, 64), nn.Tanh(), nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
mse = nn.MSELoss()

optimizer.zero_grad()
for epoch in range(40):
    model.train()
    epoch_loss = 0.0
    for step, (settings, flow) in enumerate(train_loader):
        output = model(settings)
        loss = mse(output, flow) / accumulate
        loss.backward()
        epoch_loss += loss.item()
        if (step + 1) % accumulate == 0:
            optimizer.step()
    if epoch % 5 == 4:
        print("epoch %d: %.4f" % (epoch + 1, epoch_loss * accumulate / len(train_loader)))

print("test R^2 %.4f" % evaluate(model, test_loader))
