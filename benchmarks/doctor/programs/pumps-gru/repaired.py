"""Five kinds of trouble in pumps, from 30 steps of four vibration channels."""
import numpy as np
import torch
import torch.nn as nn


class VibrationGRU(nn.Module):
    def __init__(self, channels=4, hidden=32, kinds=5):
        super().__init__()
        self.gru = nn.GRU(channels, hidden)
        self.fc = nn.Linear(hidden, kinds)

    def forward(self, x):
        batch, steps, channels = x.shape
        # GRU wants (steps, batch, channels)
        out, h = self.gru(x.permute(1, 0, 2))
        return self.fc(h[-1])


def simulate(n, seed):
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 5, n)
    t = np.arange(30)
    x = np.empty((n, 30, 4))
    for i, k in enumerate(kind):
        phase = rng.uniform(0, 2 * np.pi)
        freq = 0.25 + 0.18 * k + rng.normal(0, 0.02)
        for c in range(4):
            x[i, :, c] = np.cos(freq * t + phase + 0.8 * c * (k % 2)) + 0.4 * rng.normal(size=30)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(kind)


torch.manual_seed(12)
x_train, y_train = simulate(1600, 12)
x_test, y_test = simulate(400, 12 + 1)

model = VibrationGRU()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(15):
    model.train()
    correct = 0
    for rows in torch.randperm(1600).split(40):
        optimizer.zero_grad()
        logits = model(x_train[rows])
        loss = loss_fn(logits, y_train[rows])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        correct += (logits.argmax(1) == y_train[rows]).sum().item()
    print(f"epoch {epoch + 1}: train accuracy {correct / 1600:.3f}")

model.eval()
with torch.no_grad():
    accuracy = (model(x_test).argmax(1) == y_test).float().mean()
print(f"trouble named: {accuracy.item():.4f}")
