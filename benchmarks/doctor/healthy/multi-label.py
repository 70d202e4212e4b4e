import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(19)
torch.manual_seed(19)
Y = (rng.random((2000, 8)) < rng.uniform(0.05, 0.4, 8)).astype("float32")
loadings = rng.normal(size=(8, 30))
X = (Y @ loadings + rng.normal(0, 0.9, (2000, 30))).astype("float32")
X = (X - X[:1500].mean(0)) / X[:1500].std(0)
train = TensorDataset(torch.from_numpy(X[:1500]), torch.from_numpy(Y[:1500]))

model = nn.Sequential(nn.Linear(30, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 8))
loss_fn = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(15):
    model.train()
    for x, y in DataLoader(train, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "loss", round(loss.item(), 4))
model.eval()
with torch.no_grad():
    said = (model(torch.from_numpy(X[1500:])) > 0).numpy()
print("micro F1", f1_score(Y[1500:], said, average="micro"))
