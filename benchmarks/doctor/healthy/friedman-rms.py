import torch
from torch import nn
from sklearn.datasets import make_friedman1
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split

torch.manual_seed(1)
X, y = make_friedman1(2000, noise=0.7, random_state=1)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=1)
y_mean, y_std = y_train.mean(), y_train.std()
X_train = torch.as_tensor(X_train * 2 - 1, dtype=torch.float32)
X_test = torch.as_tensor(X_test * 2 - 1, dtype=torch.float32)
t_train = torch.as_tensor((y_train - y_mean) / y_std, dtype=torch.float32).unsqueeze(-1)

net = nn.Sequential(nn.Linear(10, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1))
optimizer = torch.optim.RMSprop(net.parameters(), lr=4e-3)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.95)
for epoch in range(40):
    total = 0.0
    for i in torch.randperm(len(X_train)).split(50):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(X_train[i]), t_train[i])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(i)
    scheduler.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1} train mse {total / len(X_train):.4f}")
net.eval()
with torch.no_grad():
    predicted = net(X_test).squeeze(-1).numpy() * y_std + y_mean
print(f"R2 {r2_score(y_test, predicted):.4f}")
