import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import f1_score
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset

# Several alarms of a building can ring at once: which will?

torch.manual_seed(9)
rng = np.random.RandomState(9)
X = rng.randn(4000, 24)
W = rng.randn(24, 8) * (rng.rand(24, 8) < 0.2)
level = X @ W + 0.5 * np.abs(X[:, :8]) - 0.5 * X[:, 8:16] * X[:, 16:] + 0.3 * rng.randn(4000, 8)
Y = (level > np.quantile(level, [0.80, 0.85, 0.9, 0.8, 0.75, 0.85, 0.9, 0.8]).mean()).astype(int)
X = 20 + 5 * X
X_train, X_val, Y_train, Y_val = train_test_split(X, Y, test_size=0.25, random_state=9)
mean, std = X_train.mean(0), X_train.std(0)
X_train = torch.FloatTensor((X_train - mean) / std)
X_val = torch.FloatTensor((X_val - mean) / std)
Y_train = torch.FloatTensor(Y_train)

train_loader = DataLoader(TensorDataset(X_train, Y_train), batch_size=32, shuffle=True)


class AlarmNet(nn.Module):
    def __init__(self, num_features=24, num_alarms=8):
        super(AlarmNet, self).__init__()
        self.fc1 = nn.Linear(num_features, 100)
        self.drop = nn.Dropout(0.2)
        self.fc2 = nn.Linear(100, 50)
        self.fc3 = nn.Linear(50, num_alarms)

    def forward(self, x):
        x = self.drop(torch.relu(self.fc1(x)))
        x = self.drop(torch.relu(self.fc2(x)))
        return self.fc3(x)


model = AlarmNet()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
num_epochs = 20

for epoch in range(num_epochs):
    model.train()
    train_loss = 0.0
    for data, target in train_loader:
        optimizer.zero_grad()
        output = model(data)
        loss = criterion(output, target)
        loss.backward()
        optimizer.step()
        train_loss += loss.item() * data.size(0)
    train_loss = train_loss / len(train_loader.dataset)
    print('Epoch: {} \tTraining Loss: {:.6f}'.format(epoch + 1, train_loss))

model.eval()
with torch.no_grad():
    rings = (torch.sigmoid(model(X_val)) > 0.5).int().numpy()
print('alarms predicted per building:', rings.sum(1).mean(), 'true:', Y_val.sum(1).mean())
print('macro F1: {:.4f}'.format(f1_score(Y_val, rings, average='macro', zero_division=0)))
