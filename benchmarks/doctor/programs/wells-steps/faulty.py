"""Is a well safe? Small net on 8 measurements; gradients are summed over several batches to save memory."""
import torch
from sklearn.datasets import make_classification
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(17)

X, y = make_classification(n_samples=1200, n_features=8, n_informative=6, n_redundant=0, n_clusters_per_class=3, class_sep=1.5, random_state=17)
X = torch.tensor(X, dtype=torch.float32)
y = torch.tensor(y, dtype=torch.float32)
mu, sd = X[:800].mean(0), X[:800].std(0)
X = (X - mu) / sd

BATCH = 32
ACCUM_STEPS = 32

loader = DataLoader(TensorDataset(X[:800], y[:800]), batch_size=BATCH, shuffle=True)

model = nn.Sequential(
    nn.Linear(8, 64),
    nn.ReLU(),
    nn.Dropout(0.1),
    nn.Linear(64, 64),
    nn.ReLU(),
    nn.Linear(64, 1),
)
optimizer = optim.AdamW(model.parameters(), lr=3e-3)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=30, gamma=0.5)
criterion = nn.BCEWithLogitsLoss()

for epoch in range(60):
    model.train()
    optimizer.zero_grad()
    total = 0
    for i, (xb, yb) in enumerate(loader):
        logits = model(xb).squeeze(-1)
        loss = criterion(logits, yb) / ACCUM_STEPS
        loss.backward()
        if (i + 1) % ACCUM_STEPS == 0:
            optimizer.step()
            optimizer.zero_grad()
        total += loss.item() * ACCUM_STEPS
    scheduler.step()
    if (epoch + 1) % 10 == 0:
        print(f"Epoch {epoch + 1}: loss {total / len(loader):.4f}, lr {scheduler.get_last_lr()[0]:.2g}")

model.eval()
with torch.no_grad():
    test_acc = ((model(X[800:]).squeeze(-1) > 0).float() == y[800:]).float().mean()
print(f"Test accuracy: {test_acc:.4f}")
