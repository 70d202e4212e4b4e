import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from torch import nn

X, y = load_wine(return_X_y=True)
scores = []
for fold, (train, test) in enumerate(StratifiedKFold(4, shuffle=True, random_state=0).split(X, y)):
    torch.manual_seed(fold)
    mean, std = X[train].mean(0), X[train].std(0)
    x_train = torch.tensor((X[train] - mean) / std, dtype=torch.float32)
    x_test = torch.tensor((X[test] - mean) / std, dtype=torch.float32)
    y_train, y_test = torch.tensor(y[train]), torch.tensor(y[test])

    model = nn.Sequential(nn.Linear(13, 24), nn.ReLU(), nn.Dropout(0.1), nn.Linear(24, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(25):
        model.train()
        for rows in torch.randperm(len(x_train)).split(16):
            optimizer.zero_grad()
            loss = loss_fn(model(x_train[rows]), y_train[rows])
            loss.backward()
            optimizer.step()

    model.eval()
    with torch.no_grad():
        scores.append((model(x_test).argmax(1) == y_test).float().mean().item())
    print(f"fold {fold}: {scores[-1]:.4f}")
print(f"mean accuracy {np.mean(scores):.4f}")
