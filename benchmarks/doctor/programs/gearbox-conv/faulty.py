import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(5)

STATES = ["sound", "worn tooth", "loose bearing", "dry"]


def measure(counts, steps=96):
    """Vibration of gearboxes: a hum, and in each state a short pattern of its own somewhere in it."""
    t = torch.arange(12.0)
    patterns = [None, torch.sin(t * 1.9) * 0.95, torch.sin(t * 1.25 + 1) * 0.95, torch.sin(t * t * 0.13) * 0.95]
    xs, ys = [], []
    for state, count in enumerate(counts):
        x = 0.45 * torch.randn(count, 1, steps) + 0.5 * torch.sin(torch.arange(steps) * 0.3 + 6.3 * torch.rand(count, 1, 1))
        if state:
            for row in range(count):
                at = int(torch.randint(0, steps - 12, (1,)))
                x[row, 0, at:at + 12] += patterns[state]
        xs.append(x)
        ys.append(torch.full((count,), state))
    return torch.cat(xs), torch.cat(ys)


class GearNet(nn.Module):
    def __init__(self, channels=(1, 16, 24), n_classes=4):
        super().__init__()
        self.convs = []
        for c_in, c_out in zip(channels[:-1], channels[1:]):
            self.convs.append(nn.Conv1d(c_in, c_out, kernel_size=9, padding=4))
        self.head = nn.Linear(channels[-1], n_classes)

    def forward(self, x):
        for conv in self.convs:
            x = F.relu(conv(x))
        return self.head(x.amax(dim=-1))


x_train, y_train = measure([2200, 70, 70, 70])
x_test, y_test = measure([200, 200, 200, 200])
mean, std = x_train.mean(), x_train.std()
x_train, x_test = (x_train - mean) / std, (x_test - mean) / std

net = GearNet()
print("parameters:", sum(p.numel() for p in net.parameters()))
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss()

for epoch in range(14):
    total = correct = 0
    for idx in torch.randperm(len(x_train)).split(64):
        out = net(x_train[idx])
        loss = criterion(out, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
        correct += (out.argmax(1) == y_train[idx]).sum().item()
    print(f"epoch {epoch + 1}: loss {total / len(x_train):.3f}, accuracy {correct / len(x_train):.3f}")

with torch.no_grad():
    pred = net(x_test).argmax(1)
recalls = [(pred[y_test == k] == k).float().mean().item() for k in range(4)]
for name, recall in zip(STATES, recalls):
    print(f"{name}: {recall:.3f}")
print(f"balanced accuracy {sum(recalls) / 4:.4f}")
