"""Prototypical network: learns a distance on seven digits, then tells three others apart from five examples each."""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

torch.manual_seed(2)
np.random.seed(2)

digits = load_digits()
images = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
by_class = {k: images[torch.from_numpy(digits.target == k)] for k in range(10)}
SEEN, NEW = [1, 2, 3, 5, 7, 8, 9], [0, 4, 6]

encoder = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(24, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(32 * 4, 24),
)
optimizer = torch.optim.Adam(encoder.parameters(), lr=1e-3)


def episode(classes, way, shot, queries):
    chosen = np.random.choice(classes, way, replace=False)
    support, query = [], []
    for k in chosen:
        rows = torch.randperm(len(by_class[k]))[:shot + queries]
        support.append(by_class[k][rows[:shot]])
        query.append(by_class[k][rows[shot:]])
    return torch.cat(support), torch.cat(query), torch.arange(way).repeat_interleave(queries)


def classify(support, query, way):
    z = encoder(torch.cat([support, query]))
    prototypes = z[:len(support)].view(way, -1, z.shape[1]).mean(1)
    return -torch.cdist(z[len(support):], prototypes) ** 2


running = []
for step in range(500):
    encoder.train()
    support, query, target = episode(SEEN, way=5, shot=5, queries=8)
    loss = F.cross_entropy(classify(support, query, 5), target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    running.append(loss.item())
    if step % 100 == 99:
        print(f"episode {step + 1} loss {np.mean(running[-100:]):.4f}")

encoder.eval()
hits = []
with torch.no_grad():
    for _ in range(60):
        support, query, target = episode(NEW, way=3, shot=5, queries=15)
        hits.append((classify(support, query, 3).argmax(1) == target).float().mean().item())
print(f"accuracy on new classes {np.mean(hits):.4f}")
