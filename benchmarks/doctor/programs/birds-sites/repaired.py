"""Bird calls: twelve acoustic descriptors a call, recorded at three forests; tested at a fourth where all species live."""
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.preprocessing import LabelEncoder, StandardScaler
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset

SPECIES = ["blackcap", "chaffinch", "dunnock", "nuthatch", "robin", "wren"]
LIVES_AT = {
    "beech": ["blackcap", "dunnock", "robin", "wren"],
    "oak": ["chaffinch", "dunnock", "nuthatch", "wren"],
    "pine": ["chaffinch", "nuthatch", "robin"],
    "park": SPECIES,
}


@dataclass
class Config:
    calls: int = 600
    hidden: int = 64
    lr: float = 3e-3
    epochs: int = 20
    seed: int = 8


cfg = Config()
torch.manual_seed(cfg.seed)
rng = np.random.default_rng(cfg.seed)
voices = {name: rng.normal(0, 1.1, 12) for name in SPECIES}


def record(site):
    names = rng.choice(LIVES_AT[site], cfg.calls)
    x = np.stack([voices[n] for n in names]) + rng.normal(0, 0.9, (cfg.calls, 12))
    return 40 + 12 * x, names


def encode(names):
    return torch.from_numpy(LabelEncoder().fit(SPECIES).transform(names))


recordings = {site: record(site) for site in LIVES_AT}
scaler = StandardScaler().fit(np.concatenate([recordings[s][0] for s in ("beech", "oak", "pine")]))


def as_dataset(site):
    x, names = recordings[site]
    return TensorDataset(torch.from_numpy(scaler.transform(x)).float(), encode(names))


train = DataLoader(ConcatDataset([as_dataset(s) for s in ("beech", "oak", "pine")]), batch_size=64, shuffle=True)
test_x, test_y = as_dataset("park").tensors

net = nn.Sequential(
    nn.Linear(12, cfg.hidden), nn.BatchNorm1d(cfg.hidden), nn.ReLU(),
    nn.Linear(cfg.hidden, cfg.hidden), nn.BatchNorm1d(cfg.hidden), nn.ReLU(),
    nn.Linear(cfg.hidden, len(SPECIES)),
)
optimiser = torch.optim.AdamW(net.parameters(), lr=cfg.lr, weight_decay=1e-3)
loss_function = nn.CrossEntropyLoss()

for epoch in range(1, cfg.epochs + 1):
    net.train()
    losses = []
    for x, y in train:
        optimiser.zero_grad(set_to_none=True)
        loss = loss_function(net(x), y)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    if epoch % 4 == 0:
        print(f"{epoch:3d} {np.mean(losses):.4f}")

net.eval()
with torch.no_grad():
    hits = (net(test_x).argmax(1) == test_y).double().mean().item()
print(f"accuracy at the park: {hits:.4f}")
