import torch
from torch import nn, optim
from sklearn.datasets import make_blobs
from sklearn.model_selection import train_test_split

torch.manual_seed(7)
X, y = make_blobs(900, centers=4, n_features=8, cluster_std=2.0, random_state=7)
X = (X - X.mean(0)) / X.std(0)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.3, random_state=7)
X_train, X_val = torch.tensor(X_train).float(), torch.tensor(X_val).float()
y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)

net = nn.Sequential(nn.Linear(8, 256), nn.ReLU(), nn.Linear(256, 4))
with torch.no_grad():
    net[0].bias.uniform_(-4.0, 0.5)
optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(15):
    for rows in torch.randperm(len(X_train)).split(30):
        optimizer.zero_grad()
        loss = loss_fn(net(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        val_acc = (net(X_val).argmax(1) == y_val).float().mean().item()
    print(f"epoch {epoch} loss {loss.item():.4f} val_acc {val_acc:.4f}")
print(f"val_acc {val_acc:.4f}")
