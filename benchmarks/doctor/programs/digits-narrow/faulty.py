import torch
from torch import nn, optim
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HIDDEN = [
    2,
]


def make_model(sizes):
    layers, previous = [], 64
    for size in sizes:
        layers.append(nn.Linear(previous, size))
        layers.append(nn.ReLU())
        previous = size
    layers.append(nn.Linear(previous, 10))
    return nn.Sequential(*layers)


def main():
    torch.manual_seed(2)
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=2)
    mean, std = X_train.mean(), X_train.std()
    X_train = torch.tensor((X_train - mean) / std, dtype=torch.float32)
    X_test = torch.tensor((X_test - mean) / std, dtype=torch.float32)
    y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)
    model = make_model(HIDDEN)
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(30):
        model.train()
        for idx in torch.randperm(len(X_train)).split(64):
            optimizer.zero_grad()
            loss = loss_fn(model(X_train[idx]), y_train[idx])
            loss.backward()
            optimizer.step()
        scheduler.step()
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1} loss {loss.item():.3f}")
    model.eval()
    with torch.no_grad():
        acc = (model(X_test).argmax(1) == y_test).float().mean().item()
    print(f"accuracy on the test set: {acc:.4f}")


main()
