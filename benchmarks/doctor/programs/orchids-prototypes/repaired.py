"""Prototypes: a flower belongs to the class whose mean embedding lies nearest."""
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split

torch.manual_seed(22)

X, y = make_classification(
    n_samples=1500, n_features=12, n_informative=8, n_redundant=0, n_classes=4, n_clusters_per_class=2, class_sep=1.5, random_state=22
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=500, random_state=22)
X_train = torch.tensor(X_train, dtype=torch.float32)
X_test = torch.tensor(X_test, dtype=torch.float32)
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)


class Embed(nn.Module):
    def __init__(self, n_in, n_out=8):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(n_in, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, n_out))

    def forward(self, x):
        return self.net(x)


def distances(a, b):
    """Euclidean distance of each row of a to each row of b."""
    return torch.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(dim=-1) + 1e-8)


def prototypes(z, y, n_classes=4):
    return torch.stack([z[y == k].mean(dim=0) for k in range(n_classes)])


def spread(z):
    """Keeps the embeddings from collapsing: the mean distance within a batch should be near 4."""
    return (distances(z, z).mean() - 4.0) ** 2


model = Embed(12)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.CrossEntropyLoss()

for episode in range(400):
    rows = torch.cat([torch.nonzero(y_train == k).flatten()[torch.randperm(int((y_train == k).sum()))[:20]] for k in range(4)])
    support, query = rows.view(4, 20)[:, :8].flatten(), rows.view(4, 20)[:, 8:].flatten()
    z_support, z_query = model(X_train[support]), model(X_train[query])
    logits = -distances(z_query, prototypes(z_support, y_train[support]))
    loss = criterion(logits, y_train[query]) + 0.05 * spread(z_query)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if episode % 100 == 99:
        print(f"episode {episode + 1}: loss {loss.item():.4f}")

model.eval()
with torch.no_grad():
    centres = prototypes(model(X_train), y_train)
    accuracy = (distances(model(X_test), centres).argmin(dim=1) == y_test).float().mean().item()
print("accuracy of the nearest prototype", accuracy)
