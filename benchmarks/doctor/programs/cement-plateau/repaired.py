import numpy as np
import torch
from sklearn.datasets import make_friedman1
from sklearn.preprocessing import StandardScaler
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

SEED_ = 11
torch.manual_seed(SEED_)

# strength of cement mixes: ten ingredients, five of which matter
X, y = make_friedman1(n_samples=2000, n_features=10, noise=0.6, random_state=SEED_)
X_tr, X_va, X_te = X[:1200], X[1200:1600], X[1600:]
y_tr, y_va, y_te = y[:1200], y[1200:1600], y[1600:]

sx = StandardScaler().fit(X_tr)
sy = StandardScaler().fit(y_tr[:, None])


def tensors(a, b):
    return torch.tensor(sx.transform(a), dtype=torch.float32), torch.tensor(sy.transform(b[:, None]), dtype=torch.float32)


train_loader = DataLoader(TensorDataset(*tensors(X_tr, y_tr)), batch_size=32, shuffle=True)
xv, yv = tensors(X_va, y_va)

model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
criterion = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.003, momentum=0.9)
scheduler = optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.2, patience=2, min_lr=1e-7)

for epoch in range(40):
    model.train()
    batch_losses = []
    for xb, yb in train_loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        batch_losses.append(loss.item())
    model.eval()
    with torch.no_grad():
        val_loss = criterion(model(xv), yv).item()
    scheduler.step(val_loss)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1}: train {np.mean(batch_losses):.4f} val {val_loss:.4f}")

model.eval()
with torch.no_grad():
    pred = sy.inverse_transform(model(tensors(X_te, y_te)[0]).numpy())[:, 0]
print("test R2:", 1 - ((pred - y_te) ** 2).sum() / ((y_te - y_te.mean()) ** 2).sum())
