import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(9)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X / 16, y, test_size=0.2, random_state=9)
train = TensorDataset(torch.tensor(X_train).float(), torch.tensor(y_train))
loader = DataLoader(train, batch_size=8, shuffle=True)
ACCUMULATE = 4

model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(10):
    optimizer.zero_grad()
    for i, (xb, yb) in enumerate(loader):
        loss = loss_fn(model(xb), yb) / ACCUMULATE
        loss.backward()
        if (i + 1) % ACCUMULATE == 0 or i + 1 == len(loader):
            optimizer.step()
            optimizer.zero_grad()
    print(f"epoch {epoch + 1}: {loss.item() * ACCUMULATE:.4f}")

model.eval()
with torch.no_grad():
    acc = (model(torch.tensor(X_test).float()).argmax(1) == torch.tensor(y_test)).float().mean().item()
print("test accuracy", acc)
