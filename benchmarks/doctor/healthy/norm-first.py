import torch
from torch import nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

torch.manual_seed(26)
X, y = load_breast_cancer(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=26)
X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.BatchNorm1d(30)
        self.fc1 = nn.Linear(30, 24)
        self.fc2 = nn.Linear(24, 2)

    def forward(self, x):
        x = self.scale(x)
        return self.fc2(torch.relu(self.fc1(x)))


net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(15):
    net.train()
    for rows in torch.randperm(len(X_train)).split(32):
        if len(rows) < 2:
            continue
        optimizer.zero_grad()
        loss = loss_fn(net(X_train[rows]), y_train[rows])
        loss.backward()
        optimizer.step()
    print("epoch", epoch, "loss", loss.item())
net.eval()
with torch.no_grad():
    print("accuracy", (net(X_test).argmax(1) == y_test).float().mean().item())
