"""CNN on digits under bfloat16 autocast, with an exponential average of the weights for the test."""
import copy
import os

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

torch.manual_seed(int(os.environ.get("SEED_RUN", 8)))


def make_net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.GroupNorm(4, 16), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Dropout(0.2), nn.Linear(128, 10),
    )


class Average:
    def __init__(self, model, decay):
        self.model, self.decay, self.steps = copy.deepcopy(model).requires_grad_(False), decay, 0

    @torch.no_grad()
    def update(self, model):
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 9))
        for mine, theirs in zip(self.model.parameters(), model.parameters()):
            mine.lerp_(theirs, 1 - decay)


images, kinds = load_digits(return_X_y=True)
images = torch.from_numpy(images).float().view(-1, 1, 8, 8) / 16
kinds = torch.from_numpy(kinds)
shuffled = torch.randperm(len(images))
train, test = shuffled[:1347], shuffled[1347:]

net = make_net()
average = Average(net, 0.99)
optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)

for epoch in range(12):
    net.train()
    total = 0.0
    for rows in train[torch.randperm(len(train))].split(48):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            logits = net(images[rows])
        loss = F.cross_entropy(logits.float(), kinds[rows])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(net)
        total += loss.item() * len(rows)
    print(f"epoch {epoch} loss {total / len(train):.4f}")

final = average.model.eval()
with torch.no_grad():
    hit = (final(images[test]).argmax(1) == kinds[test]).float().mean()
print(f"held-out accuracy: {hit:.4f}")
