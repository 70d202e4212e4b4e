import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(28)


def gestures(n, seed):
    """Paths of a hand in the plane, 25 points: circle, eight, zigzag, line."""
    rng = np.random.default_rng(seed)
    s = np.linspace(0, 2 * np.pi, 25)
    shapes = [np.stack([np.cos(s), np.sin(s)], -1), np.stack([np.sin(s), np.sin(2 * s)], -1), np.stack([s / 3 - 1, np.sign(np.sin(3 * s)) / 2], -1), np.stack([s / 3 - 1, s / 6], -1)]
    y = rng.integers(0, 4, n)
    turn = rng.normal(0, 0.4, n)
    rotation = np.stack([np.stack([np.cos(turn), -np.sin(turn)], -1), np.stack([np.sin(turn), np.cos(turn)], -1)], 1)
    x = np.stack([shapes[k] for k in y]) @ rotation * rng.uniform(0.6, 1.4, (n, 1, 1)) + rng.normal(0, 0.12, (n, 25, 2))
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


class Pooling(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.score = nn.Linear(dim, 1)

    def forward(self, h):
        return (torch.softmax(self.score(h), dim=1) * h).sum(1)


class GestureNet(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.rnn = nn.LSTM(2, hidden, batch_first=True, bidirectional=True)
        self.pool = Pooling(2 * hidden)
        self.out = nn.Linear(2 * hidden, 4)

    def forward(self, x):
        return self.out(self.pool(self.rnn(x)[0]))


x, y = gestures(1000, 0)
x_test, y_test = gestures(300, 1)
model = GestureNet()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(10):
    for rows in torch.randperm(1000).split(40):
        optimizer.zero_grad()
        loss = loss_fn(model(x[rows]), y[rows])
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 0.5)
        optimizer.step()
    print("epoch", epoch + 1, "loss", loss.item())
with torch.no_grad():
    print("accuracy", (model(x_test).argmax(1) == y_test).float().mean().item())
