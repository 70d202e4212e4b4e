import numpy as np
import torch
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, WeightedRandomSampler

torch.manual_seed(16)
X, y = make_classification(4000, 10, n_informative=6, weights=[0.9], class_sep=1.3, flip_y=0.01, random_state=16)
X = torch.tensor((X - X[:3000].mean(0)) / X[:3000].std(0), dtype=torch.float32)
y = torch.tensor(y)
counts = torch.bincount(y[:3000]).float()
sampler = WeightedRandomSampler((1 / counts)[y[:3000]], 3000)
loader = DataLoader(TensorDataset(X[:3000], y[:3000]), batch_size=50, sampler=sampler)

model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(10):
    losses = []
    for a, b in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(a), b)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1} loss {np.mean(losses):.4f}")
with torch.no_grad():
    said = model(X[3000:]).argmax(1)
print("balanced accuracy", balanced_accuracy_score(y[3000:].numpy(), said.numpy()))
