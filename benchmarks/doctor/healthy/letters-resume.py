import io

import numpy as np
import torch
from torch import nn

torch.manual_seed(24)
rng = np.random.default_rng(24)
STROKES = {"L": [(0, 0, 6, 0), (6, 0, 6, 4)], "T": [(0, 0, 0, 6), (0, 3, 6, 3)], "H": [(0, 0, 6, 0), (0, 5, 6, 5), (3, 0, 3, 5)], "Z": [(0, 0, 0, 5), (0, 5, 6, 0), (6, 0, 6, 5)]}


def letter(name):
    canvas = np.zeros((10, 10), dtype=np.float32)
    oy, ox = rng.integers(0, 4, 2)
    for y0, x0, y1, x1 in STROKES[name]:
        for s in np.linspace(0, 1, 12):
            canvas[min(9, round(y0 + s * (y1 - y0)) + oy), min(9, round(x0 + s * (x1 - x0)) + ox)] = 1
    return canvas + rng.normal(0, 0.3, canvas.shape).astype(np.float32)


def make(n):
    names = rng.integers(0, 4, n)
    return torch.from_numpy(np.stack([letter("LTHZ"[k]) for k in names]))[:, None], torch.from_numpy(names)


def build():
    model = nn.Sequential(nn.Conv2d(1, 12, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(12, 12, 2), nn.ReLU(), nn.Flatten(), nn.Linear(48, 4))
    return model, torch.optim.Adam(model.parameters(), lr=3e-3)


def run(model, optimizer, epochs):
    for epoch in range(epochs):
        for rows in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"loss {loss.item():.4f}")


x, y = make(1000)
x_test, y_test = make(300)
model, optimizer = build()
run(model, optimizer, 4)
buffer = io.BytesIO()
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, buffer)

# go on from the checkpoint
buffer.seek(0)
state = torch.load(buffer)
model, optimizer = build()
model.load_state_dict(state["model"])
optimizer.load_state_dict(state["optimizer"])
run(model, optimizer, 4)
with torch.no_grad():
    print("accuracy", (model(x_test).argmax(1) == y_test).float().mean().item())
