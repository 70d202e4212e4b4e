# classify 8x8 digits
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn import datasets, model_selection


class DigitNet(nn.Module):
    def __init__(self, hidden_sizes=(128, 64)):
        super().__init__()
        layers = []
        last = 64
        for h in hidden_sizes:
            layers += [nn.Linear(last, h), nn.ReLU(), nn.Dropout(0.1)]
            last = h
        layers.append(nn.Linear(last, 10))
        self.net = nn.Sequential(*layers)

    def forward(self, x):
        return self.net(x.flatten(1))


def run_epoch(model, X, y, optimizer=None, batch_size=64):
    training = optimizer is not None
    model.train(training)
    correct = 0
    order = torch.randperm(len(X)) if training else torch.arange(len(X))
    with torch.set_grad_enabled(training):
        for idx in order.split(batch_size):
            out = model(X[idx])
            loss = F.nll_loss(out, y[idx])
            if training:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            correct += (out.argmax(1) == y[idx]).sum().item()
    return correct / len(X), loss.item()


torch.manual_seed(1234)
data = datasets.load_digits()
Xtr, Xte, ytr, yte = model_selection.train_test_split(data.images / 16.0, data.target, test_size=0.25, random_state=1234)
Xtr, Xte = torch.tensor(Xtr).float(), torch.tensor(Xte).float()
ytr, yte = torch.tensor(ytr).long(), torch.tensor(yte).long()

model = DigitNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(12):
    acc, loss = run_epoch(model, Xtr, ytr, optimizer)
    val_acc, val_loss = run_epoch(model, Xte, yte)
    print(f"epoch {epoch + 1}: train {acc:.3f} ({loss:.3f})  val {val_acc:.3f} ({val_loss:.3f})")
print("final accuracy:", round(val_acc, 4))
