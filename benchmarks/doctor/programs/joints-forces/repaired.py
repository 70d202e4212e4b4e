"""
Inverse dynamics of a three-jointed arm: torques from angles, speeds and accelerations.
"""
import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, Dataset

SEED = 2
torch.manual_seed(SEED)
np.random.seed(SEED)


class ArmDataset(Dataset):
    def __init__(self, size):
        q = np.random.uniform(-1.6, 1.6, (size, 3))
        dq = np.random.normal(0, 1, (size, 3))
        ddq = np.random.normal(0, 1, (size, 3))
        gravity = np.stack([2.0 * np.cos(q[:, 0]) * np.sin(q[:, 1]), np.cos(q[:, 0] + q[:, 1]), np.sin(q[:, 2] + q[:, 1])], 1)
        coriolis = np.stack([dq[:, 1] * dq[:, 2], dq[:, 0] ** 2 * np.sin(q[:, 1]), -dq[:, 0] * dq[:, 1]], 1)
        inertia = ddq * (1.2 + 0.5 * np.cos(q[:, [1, 2, 0]]))
        tau = inertia + 0.4 * coriolis + gravity + 0.05 * np.random.normal(size=(size, 3))
        self.features = np.concatenate([q, dq, ddq], 1).astype(np.float32)
        self.torques = ((tau - tau.mean(0)) / tau.std(0)).astype(np.float32)

    def __len__(self):
        return len(self.features)

    def __getitem__(self, item):
        return self.features[item], self.torques[item]


class InverseDynamics(nn.Module):
    def __init__(self, n_in=9, hidden=96, n_out=3):
        super().__init__()
        self.first = nn.Linear(n_in, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, n_out)
        self.act = nn.SiLU()

    def forward(self, x):
        h = self.act(self.first(x))
        h = h + self.act(self.second(h))
        return self.last(h)


def criterion(output, target):
    return ((output - target) ** 2).mean()


train_loader = DataLoader(ArmDataset(4000), batch_size=100, shuffle=True)
test_data = ArmDataset(800)
model = InverseDynamics()
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)

for epoch in range(25):
    model.train()
    losses = []
    for features, torques in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(features), torques)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1}: train loss {np.mean(losses):.4f}")

model.eval()
with torch.no_grad():
    predicted = model(torch.from_numpy(test_data.features)).numpy()
r2 = 1 - ((predicted - test_data.torques) ** 2).mean(0) / test_data.torques.var(0)
print("R2 of the joints:", r2.round(3))
print("mean R2:", float(r2.mean()))
