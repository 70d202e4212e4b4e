import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(16)
rng = np.random.default_rng(16)

# daily passengers of a line, three years
day = np.arange(1100)
series = 9000 + 2500 * np.sin(2 * np.pi * day / 7) + 1500 * np.sin(2 * np.pi * day / 30.5) + rng.normal(0, 250, 1100)
window = 21
inputs = np.stack([series[i:i + window] for i in range(len(series) - window)])
inputs = (inputs - series[:800].mean()) / series[:800].std()
targets = series[window:]

X = torch.tensor(inputs, dtype=torch.float32).unsqueeze(-1)
y = torch.tensor(targets, dtype=torch.float32)
X_train, y_train, X_test, y_test = X[:800], y[:800], X[800:], y[800:]


class Forecaster(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x):
        out, (h, c) = self.lstm(x)
        return self.linear(h[-1]).squeeze(-1)


model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=0.005)
loss_fn = nn.MSELoss()
for epoch in range(30):
    model.train()
    for idx in torch.randperm(800).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[idx]), y_train[idx])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}, loss {loss.item():.4f}")
model.eval()
with torch.no_grad():
    error = loss_fn(model(X_test), y_test)
print(f"test R2 {1 - (error / y_test.var()).item():.4f}")
