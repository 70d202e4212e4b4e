import torch
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

torch.manual_seed(0)
X, y = load_diabetes(return_X_y=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=4)
scaler = StandardScaler().fit(X_train)
X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
center, spread = y_train.mean(), y_train.std()
y_train, y_test = (y_train - center) / spread, (y_test - center) / spread
X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train, y_test = torch.tensor(y_train).float().unsqueeze(1), torch.tensor(y_test).float().unsqueeze(1)

model = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 1))
loss_function = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, weight_decay=1e-3)

for epoch in range(1, 101):
    for batch in torch.randperm(len(X_train)).split(32):
        optimizer.zero_grad()
        loss = loss_function(model(X_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    if epoch % 20 == 0:
        with torch.no_grad():
            test_loss = loss_function(model(X_test), y_test)
        print(f"epoch {epoch}: train loss {loss.item():.4f}, test loss {test_loss.item():.4f}")

print(f"R2 {1 - test_loss.item() / y_test.var(unbiased=False).item():.4f}")
