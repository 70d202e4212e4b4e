import torch
from torch import nn
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(3)
X, y = load_diabetes(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=1)
sx, sy = StandardScaler(), StandardScaler()
X_train = torch.tensor(sx.fit_transform(X_train)).float()
X_test = torch.tensor(sx.transform(X_test)).float()
y_train = torch.tensor(sy.fit_transform(y_train.reshape(-1, 1))).float()
y_test = torch.tensor(sy.transform(y_test.reshape(-1, 1))).float()

net = nn.Sequential(nn.Linear(10, 16), nn.ELU(), nn.Linear(16, 1))
opt = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.01)
huber = nn.SmoothL1Loss()
for epoch in range(60):
    for rows in torch.randperm(len(X_train)).split(32):
        opt.zero_grad()
        loss = huber(net(X_train[rows]), y_train[rows])
        loss.backward()
        opt.step()
    if epoch % 10 == 9:
        with torch.no_grad():
            print(epoch + 1, loss.item(), huber(net(X_test), y_test).item())
with torch.no_grad():
    residual = (net(X_test) - y_test).pow(2).sum()
print("R2", 1 - (residual / (y_test - y_test.mean()).pow(2).sum()).item())
