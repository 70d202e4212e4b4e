"""Yield of a field (t/ha) from soil samples and weather."""
import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(11)
rng = np.random.default_rng(11)

n = 2400
nitrogen = rng.uniform(0, 260, n)          # kg/ha
rain = rng.gamma(9, 60, n)                 # mm
ph = rng.normal(6.4, 0.7, n)
altitude = rng.uniform(0, 900, n)          # m
clay = rng.uniform(5, 55, n)               # %
phosphate = rng.gamma(3, 15, n)            # mg/kg
yields = (9 * (1 - np.exp(-nitrogen / 90)) * np.exp(-((rain - 560) / 260) ** 2) * np.exp(-((ph - 6.5) / 1.3) ** 2)
          - 0.0015 * altitude + 0.9 * np.tanh(phosphate / 40) - ((clay - 28) / 30) ** 2)
yields = yields + rng.normal(0, 0.35, n)

X = np.column_stack([nitrogen, rain, ph, altitude, clay, phosphate])
X_train, X_test, y_train, y_test = train_test_split(X, yields, test_size=0.25, random_state=0)

scaler = StandardScaler()
scaler.fit_transform(X_train)

X_train_t = torch.tensor(X_train, dtype=torch.float32)
X_test_t = torch.tensor(X_test, dtype=torch.float32)
y_train_t = torch.tensor((y_train - y_train.mean()) / y_train.std(), dtype=torch.float32)


class YieldModel(nn.Module):
    def __init__(self, n_features, hidden=64):
        super().__init__()
        self.layer1 = nn.Linear(n_features, hidden)
        self.layer2 = nn.Linear(hidden, hidden)
        self.layer3 = nn.Linear(hidden, 1)
        self.relu = nn.ReLU()

    def forward(self, x):
        x = self.layer1(x)
        x = self.layer2(x)
        return self.layer3(x).squeeze(-1)


model = YieldModel(X.shape[1])
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
loss_fn = nn.MSELoss()

for epoch in range(40):
    model.train()
    epoch_loss = 0.0
    for rows in torch.randperm(len(X_train_t)).split(32):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train_t[rows]), y_train_t[rows])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item() * len(rows)
    if epoch % 5 == 0:
        print(f"Epoch {epoch}: {epoch_loss / len(X_train_t):.4f}")

model.eval()
with torch.no_grad():
    pred = model(X_test_t).numpy() * y_train.std() + y_train.mean()
print(f"Test R2: {r2_score(y_test, pred):.4f}")
