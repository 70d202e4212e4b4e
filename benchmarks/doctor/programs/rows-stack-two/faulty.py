import torch
import torch.nn as nn

torch.manual_seed(51)


class Trainer:
    def __init__(self, model, lr, momentum=0.9):
        self.model = model
        self.loss_fn = nn.BCEWithLogitsLoss()
        self.optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
        self.history = []

    def step(self, x, y):
        self.model.train()
        loss = self.loss_fn(self.model(x).squeeze(1), y)
        loss.backward()
        self.optimizer.step()
        return loss.item()

    def fit(self, x, y, epochs, batch_size):
        for epoch in range(epochs):
            losses = [self.step(x[i], y[i]) for i in torch.randperm(len(x)).split(batch_size)]
            self.history.append(sum(losses) / len(losses))
            if epoch % 10 == 9:
                print(f"epoch {epoch + 1} loss {self.history[-1]:.4f}")

    @torch.no_grad()
    def accuracy(self, x, y):
        self.model.eval()
        return ((self.model(x).squeeze(1) > 0).float() == y).float().mean().item()


x = torch.rand(2000, 2) * 4 - 2
y = ((x[:, 0] > 0) ^ (x[:, 1] > 0.3)).float()
model = nn.Sequential(
    nn.Linear(2, 32),
    nn.Linear(32, 32),
    nn.Linear(32, 1),
)
trainer = Trainer(model, lr=0.05)
trainer.fit(x[:1500], y[:1500], epochs=30, batch_size=50)
print(f"val_acc {trainer.accuracy(x[1500:], y[1500:]):.4f}")
