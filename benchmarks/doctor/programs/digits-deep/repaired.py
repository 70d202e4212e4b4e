import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

DEPTH = 8
WIDTH = 64

torch.manual_seed(0)
X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=3)
scaler = StandardScaler()
X_train = torch.tensor(scaler.fit_transform(X_train), dtype=torch.float32)
X_test = torch.tensor(scaler.transform(X_test), dtype=torch.float32)
loader = DataLoader(TensorDataset(X_train, torch.tensor(y_train)), batch_size=64, shuffle=True)

blocks = [nn.Linear(64, WIDTH)]
for _ in range(DEPTH):
    blocks += [nn.ReLU(), nn.Linear(WIDTH, WIDTH)]
model = nn.Sequential(*blocks, nn.ReLU(), nn.Linear(WIDTH, 10))

optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
criterion = nn.CrossEntropyLoss()
for epoch in range(15):
    model.train()
    total, seen = 0.0, 0
    for xb, yb in loader:
        optimizer.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
        seen += len(xb)
    print(f"Epoch {epoch + 1}/15 - loss: {total / seen:.4f}")

model.eval()
with torch.no_grad():
    correct = (model(X_test).argmax(1).numpy() == y_test).mean()
print(f"test accuracy: {correct:.4f}")
