import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Arrows(Dataset):
    """Bytes of pictures of arrows: up, down, left, right."""

    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.labels = rng.integers(0, 4, n)
        self.pictures = np.empty((n, 12, 12), dtype=np.uint8)
        for i, turn in enumerate(self.labels):
            p = np.full((12, 12), 40.0)
            x, top, length = rng.integers(3, 9), rng.integers(1, 3), rng.integers(6, 9)
            p[top:top + length, x] = 220
            for k in (1, 2):
                p[top + k, x - k] = p[top + k, x + k] = 220
            p = np.rot90(p, turn) + rng.normal(0, 25, (12, 12))
            self.pictures[i] = np.clip(p, 0, 255)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        picture = torch.from_numpy(self.pictures[i]).float().unsqueeze(0)
        return picture, int(self.labels[i])


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.fc = nn.Sequential(nn.Linear(16 * 16, 32), nn.ReLU(), nn.Linear(32, 4))

    def forward(self, x):
        return self.fc(torch.flatten(self.conv(x), 1))


torch.manual_seed(20)
train_loader = DataLoader(Arrows(1000, 0), batch_size=40, shuffle=True)
test_loader = DataLoader(Arrows(300, 1), batch_size=100)
net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
criterion = nn.CrossEntropyLoss()
for epoch in range(10):
    net.train()
    running = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        running += loss.item()
    net.eval()
    with torch.no_grad():
        acc = sum((net(x).argmax(1) == y).sum().item() for x, y in test_loader) / 300
    print(f"epoch {epoch + 1} loss {running / len(train_loader):.3f} accuracy {acc:.3f}")
