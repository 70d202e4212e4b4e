import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

rng = np.random.default_rng(17)
torch.manual_seed(17)

# wind turbine, rows as the logger stores them
wind = np.sort(rng.weibull(2.0, 1600) * 8)
temp = rng.normal(10, 8, 1600)
pitch = rng.uniform(0, 5, 1600)
power = np.clip((wind / 12) ** 3, 0, 1) * (1 - 0.02 * pitch) + 0.002 * temp + 0.02 * rng.normal(size=1600)
X = np.stack([wind, temp, pitch, wind * pitch], 1)

X_train, X_test, y_train, y_test = train_test_split(X, power, test_size=0.3, random_state=0)
sx = StandardScaler().fit(X_train)
m, s = y_train.mean(), y_train.std()
X_train = torch.tensor(sx.transform(X_train), dtype=torch.float32)
X_test = torch.tensor(sx.transform(X_test), dtype=torch.float32)
t_train = torch.tensor((y_train - m) / s, dtype=torch.float32)[:, None]

net = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
opt = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(40):
    for i in torch.randperm(len(X_train)).split(40):
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(X_train[i]), t_train[i])
        loss.backward()
        opt.step()
    if epoch % 8 == 0:
        print("epoch %d: %.4f" % (epoch, loss.item()))
with torch.no_grad():
    guess = net(X_test)[:, 0].numpy() * s + m
print("R2 test: %.4f" % r2_score(y_test, guess))
