import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(4)
rng = np.random.default_rng(4)

# Will a traveller come back? city, month and hotel class as categories, price and nights as numbers
N = 6000
city = rng.integers(0, 40, N)
month = rng.integers(0, 12, N)
stars = rng.integers(1, 6, N)
price = np.exp(rng.normal(4.5, 0.5, N))
nights = rng.poisson(3, N) + 1
charm = rng.normal(0, 1.5, 40)
warm = rng.integers(0, 12, 40)
season = np.cos((month - warm[city]) * 2 * np.pi / 12)
score = charm[city] + 2.0 * season + 0.8 * (stars - 3) - 1.5 * (np.log(price) - 4.5) + 0.1 * nights
back = (score + 0.4 * rng.logistic(size=N) > 0.3).astype(np.float32)

cats = torch.tensor(np.stack([city, month, stars - 1], 1))
nums = np.stack([np.log(price), nights], 1)
train, valid, test = np.split(rng.permutation(N), [4200, 5000])
nums = (nums - nums[train].mean(0)) / nums[train].std(0)
nums = torch.tensor(nums, dtype=torch.float32)
y = torch.tensor(back)


class TabularModel(nn.Module):
    def __init__(self, cardinalities, n_cont, layers=(64, 32), p=0.1):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(c, min(16, (c + 1) // 2)) for c in cardinalities])
        size = sum(e.embedding_dim for e in self.embeds) + n_cont
        blocks = []
        for width in layers:
            blocks += [nn.Linear(size, width), nn.ReLU(), nn.BatchNorm1d(width), nn.Dropout(p)]
            size = width
        self.layers = nn.Sequential(*blocks, nn.Linear(size, 1))

    def forward(self, x_cat, x_cont):
        x = torch.cat([e(x_cat[:, i]) for i, e in enumerate(self.embeds)] + [x_cont], 1)
        return self.layers(x).squeeze(1)


model = TabularModel([40, 12, 5], 2)
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
loader = DataLoader(TensorDataset(cats[train], nums[train], y[train]), batch_size=100, shuffle=True)

best, best_state, waited = 1e9, None, 0
for epoch in range(40):
    model.train()
    for x_cat, x_cont, target in loader:
        loss = F.binary_cross_entropy_with_logits(model(x_cat, x_cont), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = F.binary_cross_entropy_with_logits(model(cats[valid], nums[valid]), y[valid]).item()
    print(f"{epoch:2d} {val:.4f}")
    if val < best - 1e-4:
        best, waited = val, 0
        best_state = {k: v.clone() for k, v in model.state_dict().items()}
    else:
        waited += 1
        if waited == 6:
            break

model.load_state_dict(best_state)
model.eval()
with torch.no_grad():
    acc = ((model(cats[test], nums[test]) > 0).float() == y[test]).float().mean().item()
print(f"stopped after {epoch + 1} epochs, test accuracy {acc:.4f}")
