import torch
from torch import nn
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.best, self.waited, self.state = patience, -1.0, 0, None

    def update(self, score, model):
        if score > self.best:
            self.best, self.waited = score, 0
            self.state = {k: v.clone() for k, v in model.state_dict().items()}
        else:
            self.waited += 1
        return self.waited >= self.patience


class Trainer:
    def __init__(self, model, lr=0.01):
        self.model = model
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.loss_fn = nn.BCEWithLogitsLoss()

    def epoch(self, X, y, batch_size=32):
        self.model.train()
        for rows in torch.randperm(len(X)).split(batch_size):
            loss = self.loss_fn(self.model(X[rows]).view(-1), y[rows])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
        return loss.item()

    def score(self, X, y):
        self.model.eval()
        with torch.no_grad():
            return ((self.model(X).view(-1) > 0) == y.bool()).float().mean().item()


torch.manual_seed(8)
X, y = make_moons(1000, noise=0.15, random_state=8)
X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=0.3, random_state=8)
X_train, X_val = torch.tensor(X_train).float(), torch.tensor(X_val).float()
y_train, y_val = torch.tensor(y_train).float(), torch.tensor(y_val).float()

model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1))
trainer, stopper = Trainer(model), EarlyStopping(patience=12)
for epoch in range(80):
    loss = trainer.epoch(X_train, y_train)
    score = trainer.score(X_val, y_val)
    if epoch % 5 == 0:
        print(f"epoch {epoch}: loss {loss:.4f}, accuracy {score:.4f}")
    if stopper.update(score, model):
        print("stopped at epoch", epoch)
        break
model.load_state_dict(stopper.state)
print(f"best accuracy {trainer.score(X_val, y_val):.4f}")
