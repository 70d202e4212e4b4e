import numpy as np
import torch
import torch.nn as nn

rng = np.random.default_rng(34)
torch.manual_seed(34)
people = rng.normal(size=(40, 20)).astype("float32")


def sight(ids):
    return torch.from_numpy(people[ids] + rng.normal(0, 0.5, (len(ids), 20)).astype("float32"))


def triplet(n, low, high):
    a = rng.integers(low, high, n)
    b = (a - low + rng.integers(1, high - low, n)) % (high - low) + low
    return sight(a), sight(a), sight(b)


net = nn.Sequential(nn.Linear(20, 48), nn.ReLU(), nn.Linear(48, 12))
criterion = nn.TripletMarginLoss(margin=1.0)
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
for step in range(600):
    anchor, positive, negative = triplet(64, 0, 30)
    loss = criterion(net(anchor), net(positive), net(negative))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 99:
        print(f"step {step + 1}: {loss.item():.4f}")

# people never seen
anchor, positive, negative = triplet(600, 30, 40)
with torch.no_grad():
    a, p, n = net(anchor), net(positive), net(negative)
    right = (a - p).norm(dim=1) < (a - n).norm(dim=1)
print("accuracy of pairs", right.float().mean().item())
