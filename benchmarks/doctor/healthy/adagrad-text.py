import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(18)
torch.manual_seed(18)

# documents as counts of 80 words from four topics
topics = rng.dirichlet(np.full(80, 0.15), 4)
label = rng.integers(0, 4, 1600)
counts = np.stack([rng.multinomial(rng.integers(20, 60), topics[k]) for k in label])
tf = counts / counts.sum(1, keepdims=True)
idf = np.log((1 + 1200) / (1 + (counts[:1200] > 0).sum(0)))
X = torch.tensor(tf * idf * 10, dtype=torch.float32)
y = torch.tensor(label)

model = nn.Sequential(nn.Linear(80, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 4), nn.LogSoftmax(dim=1))
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.05)
loss_fn = nn.NLLLoss()
for epoch in range(15):
    model.train()
    for rows in np.array_split(rng.permutation(1200), 30):
        rows = torch.from_numpy(rows)
        optimizer.zero_grad()
        loss = loss_fn(model(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "loss", loss.item())
model.eval()
with torch.no_grad():
    print("test accuracy", (model(X[1200:]).argmax(1) == y[1200:]).float().mean().item())
