import numpy as np
import torch
from torch import nn

torch.manual_seed(47)
rng = np.random.default_rng(47)

# six species, 12 measures each, stored species by species
centres = rng.normal(0, 1.1, (6, 12))
train = [(c + rng.normal(0, 1, 12), k) for k, c in enumerate(centres) for _ in range(200)]
test = [(c + rng.normal(0, 1, 12), k) for k, c in enumerate(centres) for _ in range(70)]
rng.shuffle(train)


def batches(rows, size=20):
    for i in range(0, len(rows), size):
        xs, ys = zip(*rows[i:i + size])
        yield torch.tensor(np.array(xs), dtype=torch.float32), torch.tensor(ys)


model = nn.Sequential(nn.Linear(12, 40), nn.ReLU(), nn.Linear(40, 6))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(15):
    total, count = 0.0, 0
    for x, y in batches(train):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total, count = total + loss.item(), count + 1
    print(f"epoch {epoch + 1}: {total / count:.4f}")

hits = n = 0
with torch.no_grad():
    for x, y in batches(test, 100):
        hits += (model(x).argmax(1) == y).sum().item()
        n += len(y)
print("test accuracy", hits / n)
