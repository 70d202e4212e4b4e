import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(59)
X, y = load_digits(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split(X / 16.0, y, test_size=0.25, random_state=59)
Xtr, Xte, ytr, yte = torch.tensor(Xtr).float(), torch.tensor(Xte).float(), torch.tensor(ytr), torch.tensor(yte)

p = 0.93
model = nn.Sequential(
    nn.Linear(64, 96), nn.ReLU(), nn.Dropout(p),
    nn.Linear(96, 48), nn.ReLU(), nn.Dropout(p),
    nn.Linear(48, 10),
)
opt = torch.optim.Adam(model.parameters(), lr=0.002)
loss_fn = nn.CrossEntropyLoss()


def accuracy(X, y):
    model.eval()
    with torch.no_grad():
        return (model(X).argmax(1) == y).float().mean().item()


for epoch in range(20):
    model.train()
    for idx in torch.randperm(len(Xtr)).split(50):
        opt.zero_grad()
        loss = loss_fn(model(Xtr[idx]), ytr[idx])
        loss.backward()
        opt.step()
    if epoch % 5 == 4:
        print(f"Epoch {epoch + 1} train {accuracy(Xtr, ytr):.3f} test {accuracy(Xte, yte):.3f}")
print("Acc", accuracy(Xte, yte))
