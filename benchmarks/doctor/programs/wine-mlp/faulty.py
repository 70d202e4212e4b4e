import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

torch.manual_seed(10)

X, y = load_wine(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
sc = StandardScaler()
X_train = torch.tensor(sc.fit_transform(X_train)).float()
X_test = torch.tensor(sc.transform(X_test)).float()
y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

EPOCHS = 100
LEARNING_RATE = 1e-6


class WineNet(nn.Module):
    def __init__(self):
        super(WineNet, self).__init__()
        self.fc1 = nn.Linear(13, 20)
        self.fc2 = nn.Linear(20, 3)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x)))


net = WineNet()
optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE)

losses = []
for e in range(EPOCHS):
    optimizer.zero_grad()
    logits = net(X_train)
    loss = F.cross_entropy(logits, y_train)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if (e + 1) % 20 == 0:
        print("Epoch: {}  Loss: {:.4f}".format(e + 1, loss.item()))

with torch.no_grad():
    accuracy = (net(X_test).argmax(1) == y_test).float().mean().item()
print("accuracy = %.4f" % accuracy)
