import numpy as np
import torch
from torch import nn

torch.manual_seed(48)
rng = np.random.default_rng(48)

# kiln logs: temperature (C), humidity (ppm), minutes, draft (kPa)
n = 1600
temperature = rng.normal(1180, 35, n)
humidity = rng.normal(5200, 800, n)
minutes = rng.uniform(300, 900, n)
draft = rng.normal(0.12, 0.02, n)
good = (np.abs(temperature - 1180) < 28) & (minutes + 0.05 * (humidity - 5200) + 3000 * (draft - 0.12) > 520)
X = np.column_stack([temperature, humidity, minutes, draft])
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(good.astype(np.int64))


class Kiln(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(4, 48)
        self.fc2 = nn.Linear(48, 48)
        self.fc3 = nn.Linear(48, 2)

    def forward(self, x):
        x = torch.relu(self.fc1(x))
        x = torch.relu(self.fc2(x))
        return self.fc3(x)


model = Kiln()
optimizer = torch.optim.Adam(model.parameters(), lr=0.3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(30):
    for rows in torch.randperm(1200).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))
with torch.no_grad():
    print("test accuracy", (model(X[1200:]).argmax(1) == y[1200:]).float().mean().item())
