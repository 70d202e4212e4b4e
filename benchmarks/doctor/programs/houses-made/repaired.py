import numpy as np
import torch
import torch.nn as nn
from sklearn.preprocessing import StandardScaler

np.random.seed(5)
torch.manual_seed(5)

# area, rooms, age, distance to the centre, garden
n = 1200
area = np.random.uniform(40, 250, n)
rooms = np.clip(np.round(area / 30 + np.random.randn(n)), 1, 9)
age = np.random.uniform(0, 100, n)
distance = np.random.exponential(6, n)
garden = np.random.rand(n) < 0.4
price = 2100 * area + 9000 * rooms - 900 * age - 8000 * np.minimum(distance, 15) + 40000 * garden + 0.004 * area ** 2 * 1000
price = price + np.random.randn(n) * 20000
X = np.column_stack([area, rooms, age, distance, garden]).astype(np.float32)
y = price.astype(np.float32).reshape(-1, 1)

X_train, X_test = X[:900], X[900:]
y_train, y_test = y[:900], y[900:]
scaler = StandardScaler().fit(X_train)
X_train = torch.tensor(scaler.transform(X_train))
X_test = torch.tensor(scaler.transform(X_test))
y_mean, y_std = y_train.mean(), y_train.std()
y_train = torch.tensor((y_train - y_mean) / y_std)

model = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
loss_fn = nn.MSELoss()

for epoch in range(60):
    permutation = torch.randperm(900)
    for i in range(0, 900, 30):
        rows = permutation[i:i + 30]
        optimizer.zero_grad()
        loss = loss_fn(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 15 == 0:
        print(f"epoch {epoch + 1}/60, loss {loss.item():.4f}")

with torch.no_grad():
    prediction = model(X_test).numpy() * y_std + y_mean
r2 = 1 - ((prediction - y_test) ** 2).sum() / ((y_test - y_test.mean()) ** 2).sum()
print(f"R^2 on test: {r2:.4f}")
