import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset, random_split

torch.manual_seed(3)
data = load_digits()
full = TensorDataset(torch.tensor(data.data / 16, dtype=torch.float32), torch.tensor(data.target))
train_set, val_set, test_set = random_split(full, [1200, 297, 300], generator=torch.Generator().manual_seed(3))

model = nn.Sequential(
    nn.Linear(64, 128), nn.BatchNorm1d(128), nn.GELU(), nn.Dropout(0.2), nn.Linear(128, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Linear(64, 10)
)
criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)


def accuracy(dataset):
    model.eval()
    hits = 0
    with torch.no_grad():
        for x, y in DataLoader(dataset, batch_size=100):
            hits += (model(x).argmax(1) == y).sum().item()
    return hits / len(dataset)


for epoch in range(12):
    model.train()
    for x, y in DataLoader(train_set, batch_size=40, shuffle=True):
        loss = criterion(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f} val {accuracy(val_set):.4f}")
print("Test acc", accuracy(test_set))
