from types import SimpleNamespace

import torch
from sklearn.datasets import load_digits
from torch import nn

cfg = SimpleNamespace(lr=1e-3, batch=25, epochs=12, hidden=100, seed=23)


def get_data(cfg):
    g = torch.Generator().manual_seed(cfg.seed)
    X, y = load_digits(return_X_y=True)
    order = torch.randperm(len(X), generator=g)
    X, y = torch.tensor(X)[order].float(), torch.tensor(y)[order]
    mean, std = X[:1300].mean(), X[:1300].std()
    X = (X - mean) / std
    return (X[:1300], y[:1300]), (X[1300:], y[1300:])


def train_step(model, optimizer, x, y):
    logits = model(x)
    loss = nn.functional.cross_entropy(logits, y)
    loss.backward()
    optimizer.step()
    for p in model.parameters():
        p.grad = None
    return loss.item(), (logits.argmax(1) == y).float().mean().item()


def evaluate(model, data):
    model.eval()
    with torch.inference_mode():
        acc = (model(data[0]).argmax(1) == data[1]).float().mean().item()
    model.train()
    return acc


def main():
    torch.manual_seed(cfg.seed)
    train, test = get_data(cfg)
    model = nn.Sequential(nn.Linear(64, cfg.hidden), nn.Hardswish(), nn.Dropout(0.1), nn.Linear(cfg.hidden, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=cfg.lr, amsgrad=True)
    for epoch in range(cfg.epochs):
        for rows in torch.randperm(len(train[0])).split(cfg.batch):
            loss, acc = train_step(model, optimizer, train[0][rows], train[1][rows])
        print(f"epoch {epoch + 1} loss {loss:.4f} batch acc {acc:.2f} test {evaluate(model, test):.4f}")
    print("Accuracy:", evaluate(model, test))


if __name__ == "__main__":
    main()
