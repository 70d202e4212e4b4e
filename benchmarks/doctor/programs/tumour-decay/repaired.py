from dataclasses import dataclass

import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn


@dataclass
class Config:
    hidden: int = 32
    dropout: float = 0.1
    weight_decay: float = 1e-4
    lr: float = 3e-3
    epochs: int = 40
    batch_size: int = 32
    seed: int = 17


class Model(nn.Module):
    def __init__(self, n_features, config):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_features, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, config.hidden),
            nn.ReLU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.hidden, 2),
        )

    def forward(self, x):
        return self.layers(x)


def train(config):
    torch.manual_seed(config.seed)
    X, y = load_breast_cancer(return_X_y=True)
    X_tr, X_va, y_tr, y_va = train_test_split(X, y, test_size=0.25, random_state=config.seed)
    scaler = StandardScaler().fit(X_tr)
    X_tr, X_va = (torch.tensor(scaler.transform(a), dtype=torch.float32) for a in (X_tr, X_va))
    y_tr, y_va = torch.tensor(y_tr), torch.tensor(y_va)
    model = Model(X_tr.shape[1], config)
    optimizer = torch.optim.Adam(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    for epoch in range(config.epochs):
        model.train()
        for rows in torch.randperm(len(X_tr)).split(config.batch_size):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(X_tr[rows]), y_tr[rows])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            accuracy = (model(X_va).argmax(1) == y_va).float().mean().item()
        if epoch % 10 == 9:
            print(f"{epoch + 1:3d}  {loss.item():.4f}  {accuracy:.4f}")
    return accuracy


print(f"Validation accuracy {train(Config()):.4f}")
