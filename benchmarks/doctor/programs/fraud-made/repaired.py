import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import train_test_split

np.random.seed(4)
torch.manual_seed(4)

X, y = make_classification(
    n_samples=4000, n_features=12, n_informative=6, n_redundant=2, weights=[0.96], class_sep=0.75, flip_y=0.0, random_state=4
)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.35, stratify=y, random_state=4)
X_train, X_test = torch.tensor(X_train).float(), torch.tensor(X_test).float()
y_train = torch.tensor(y_train).float()

model = nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 1))
n_pos = y_train.sum()
criterion = nn.BCEWithLogitsLoss(pos_weight=(len(y_train) - n_pos) / n_pos)
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

for epoch in range(25):
    model.train()
    epoch_loss = 0
    for rows in torch.randperm(len(X_train)).split(64):
        optimizer.zero_grad()
        loss = criterion(model(X_train[rows]).flatten(), y_train[rows])
        loss.backward()
        optimizer.step()
        epoch_loss += loss.item()
    if epoch % 5 == 4:
        print("epoch", epoch + 1, "loss", epoch_loss)

model.eval()
with torch.no_grad():
    pred = (torch.sigmoid(model(X_test)).flatten() > 0.5).int().numpy()
print("accuracy", (pred == y_test).mean())
print("balanced accuracy", balanced_accuracy_score(y_test, pred))
