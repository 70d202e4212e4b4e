# %% imports
import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import load_diabetes
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(42)

# %% data
diabetes = load_diabetes()
X = diabetes.data
y = diabetes.target.reshape(-1, 1)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=42)
x_scaler, y_scaler = StandardScaler(), StandardScaler()
X_train_t = torch.tensor(x_scaler.fit_transform(X_train), dtype=torch.float32)
X_test_t = torch.tensor(x_scaler.transform(X_test), dtype=torch.float32)
y_train_t = torch.tensor(y_scaler.fit_transform(y_train), dtype=torch.float32)

# %% model
model = nn.Sequential(nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 1))
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=0.01, weight_decay=1e-2)

# %% train
for epoch in range(100):
    model.train()
    optimizer.zero_grad()
    outputs = model(X_train_t)
    loss = criterion(outputs, y_train_t)
    loss.backward()
    optimizer.step()
    if (epoch + 1) % 20 == 0:
        print(f"Epoch {epoch + 1}/100, Loss: {loss.item():.4f}")

# %% evaluate
model.eval()
with torch.no_grad():
    y_pred = y_scaler.inverse_transform(model(X_test_t).numpy())
print(f"Test R2: {r2_score(y_test, y_pred):.4f}")
