# Which of five states is a turbine in? 16 readings each.
# The whole set fits in memory, so large batches are the quickest.
import argparse

import torch
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("--batch-size", type=int, default=4096)
    p.add_argument("--epochs", type=int, default=30)
    p.add_argument("--lr", type=float, default=1e-3)
    p.add_argument("--hidden", type=int, default=128)
    p.add_argument("--seed", type=int, default=13)
    return p.parse_args()


def get_data(args):
    X, y = make_classification(
        n_samples=5000, n_features=16, n_informative=10, n_redundant=2, n_classes=5, n_clusters_per_class=3,
        class_sep=1.6, flip_y=0.01, random_state=args.seed,
    )
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=1000, random_state=args.seed, stratify=y)
    scaler = StandardScaler().fit(X_train)
    as_set = lambda a, b: TensorDataset(torch.tensor(scaler.transform(a), dtype=torch.float32), torch.tensor(b))
    return as_set(X_train, y_train), as_set(X_test, y_test)


def main():
    args = get_args()
    torch.manual_seed(args.seed)
    train_set, test_set = get_data(args)
    train_loader = DataLoader(train_set, batch_size=args.batch_size, shuffle=True)
    model = nn.Sequential(
        nn.Linear(16, args.hidden), nn.ReLU(), nn.Linear(args.hidden, args.hidden), nn.ReLU(), nn.Linear(args.hidden, 5)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=args.lr)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(1, args.epochs + 1):
        for x, y in train_loader:
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        if epoch % 5 == 0:
            print(f"epoch {epoch} | last batch {loss.item():.3f}")
    x, y = test_set.tensors
    with torch.inference_mode():
        accuracy = (model(x).argmax(dim=1) == y).float().mean()
    print(f"accuracy on test: {accuracy:.4f}")


if __name__ == "__main__":
    main()
