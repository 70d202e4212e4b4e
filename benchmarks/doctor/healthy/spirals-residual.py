import numpy as np
import torch
import torch.nn as nn


class ResidualBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 2 * width)
        self.fc2 = nn.Linear(2 * width, width)

    def forward(self, x):
        return x + self.fc2(torch.relu(self.fc1(self.norm(x))))


class ResNet(nn.Module):
    def __init__(self, width=32, blocks=3, classes=3):
        super().__init__()
        self.stem = nn.Linear(2, width)
        self.blocks = nn.ModuleList([ResidualBlock(width) for _ in range(blocks)])
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def three_arms(n, seed):
    rng = np.random.default_rng(seed)
    t = rng.uniform(0.2, 1, n)
    k = rng.integers(0, 3, n)
    angle = 5 * t + 2 * np.pi * k / 3 + rng.normal(0, 0.12, n)
    X = np.stack([t * np.cos(angle), t * np.sin(angle)], 1).astype(np.float32)
    return torch.from_numpy(X), torch.from_numpy(k)


torch.manual_seed(0)
X, y = three_arms(1500, 0)
X_test, y_test = three_arms(500, 1)
model = ResNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=600)
loss_fn = nn.CrossEntropyLoss()
for step in range(600):
    idx = torch.randint(0, 1500, (64,))
    optimizer.zero_grad()
    loss = loss_fn(model(X[idx]), y[idx])
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 100 == 99:
        with torch.no_grad():
            acc = (model(X_test).argmax(1) == y_test).float().mean().item()
        print(f"step {step + 1} loss {loss.item():.4f} test accuracy {acc:.4f}")
