# Tomorrow's level of a river from the last 24 days (LSTM)
import numpy as np
import torch
import torch.nn as nn

SEED_ = 1
np.random.seed(SEED_)
torch.manual_seed(SEED_)

days = np.arange(2200)
rain = np.random.gamma(0.4, 2.0, len(days)) * (1 + 0.6 * np.sin(2 * np.pi * days / 365))
level = np.zeros(len(days))
for d in range(1, len(days)):
    level[d] = 0.93 * level[d - 1] + 0.3 * rain[d - 1] + 0.1 * np.sqrt(level[d - 1] + 1) * rain[d - 1] ** 0.5
level += np.random.normal(0, 0.05, len(days))

split = 1700
series = np.stack([rain, level], axis=1)
mean, std = series[:split].mean(0), series[:split].std(0)
series = ((series - mean) / std).astype(np.float32)

LAGS = 24
windows = np.stack([series[i : i + LAGS] for i in range(len(series) - LAGS)])
nexts = series[LAGS:, 1]
cut = split - LAGS
X_train, y_train = torch.from_numpy(windows[:cut]), torch.from_numpy(nexts[:cut])
X_test, y_test = torch.from_numpy(windows[cut:]), torch.from_numpy(nexts[cut:])


class RiverLSTM(nn.Module):
    def __init__(self, hidden_size=32):
        super().__init__()
        self.lstm = nn.LSTM(input_size=2, hidden_size=hidden_size, batch_first=True)
        self.linear = nn.Linear(hidden_size, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.linear(out[:, -1, :]).squeeze(-1)


model = RiverLSTM()
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)

n_epochs = 15
for epoch in range(n_epochs):
    model.train()
    losses = []
    order = torch.randperm(len(X_train))
    for start in range(0, len(order), 64):
        b = order[start : start + 64]
        optimizer.zero_grad()
        loss = criterion(model(X_train[b]), y_train[b])
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    if (epoch + 1) % 5 == 0:
        print(f"Epoch [{epoch + 1}/{n_epochs}], Loss: {np.mean(losses):.4f}")

model.eval()
with torch.no_grad():
    pred = model(X_test)
r2 = 1 - ((pred - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()
print(f"R2 of the forecast: {r2.item():.4f}")
