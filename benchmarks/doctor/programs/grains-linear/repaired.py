import torch
import torch.nn as nn
import torch.optim as optim
from sklearn.datasets import make_friedman2
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(65)
X, y = make_friedman2(1500, noise=20, random_state=65)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=65)
sx, sy = StandardScaler().fit(X_train), StandardScaler().fit(y_train.reshape(-1, 1))
X_train, X_test = torch.Tensor(sx.transform(X_train)), torch.Tensor(sx.transform(X_test))
y_train, y_test = torch.Tensor(sy.transform(y_train.reshape(-1, 1))), torch.Tensor(sy.transform(y_test.reshape(-1, 1)))


class Grains(nn.Module):
    def __init__(self):
        super(Grains, self).__init__()
        self.input_layer = nn.Linear(4, 64)
        self.hidden_layer = nn.Linear(64, 64)
        self.output_layer = nn.Linear(64, 1)
        self.dropout = nn.Dropout(0.05)

    def forward(self, x):
        x = nn.functional.leaky_relu(self.input_layer(x))
        x = self.dropout(nn.functional.leaky_relu(self.hidden_layer(x)))
        return self.output_layer(x)


model = Grains()
optimizer = optim.Adam(model.parameters(), lr=2e-3)
criterion = nn.MSELoss()
for epoch in range(30):
    model.train()
    for rows in torch.randperm(len(X_train)).split(40):
        optimizer.zero_grad()
        loss = criterion(model(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"Epoch {epoch + 1}: {loss.item():.4f}")
model.eval()
with torch.no_grad():
    r2 = 1 - criterion(model(X_test), y_test).item() / y_test.var().item()
print(f"R2: {r2:.4f}")
