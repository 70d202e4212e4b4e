import numpy as np
import torch
import torch.nn as nn
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler


def read_gauges(n=1500, seed=6):
    rng = np.random.default_rng(seed)
    year = rng.integers(1990, 2024, n)
    pressure = rng.normal(101325, 900, n)
    voltage = rng.normal(0.0032, 0.0007, n)
    flow = rng.gamma(3.0, 120.0, n)
    wear = (year - 2005) / 12 + (pressure - 101325) / 1200 + 1.5 * np.sin((voltage - 0.0032) * 1500) + 0.004 * (flow - 360)
    return np.column_stack([year, pressure, voltage, flow]), wear + rng.normal(0, 0.2, n)


def main():
    torch.manual_seed(6)
    X, y = read_gauges()
    X_train, X_test, y_train, y_test = X[:1200], X[1200:], y[:1200], y[1200:]
    scaler = StandardScaler()
    X_train_scaled = scaler.fit_transform(X_train)
    X_test_scaled = scaler.transform(X_test)

    inputs = torch.tensor(X_train, dtype=torch.float32)
    test_inputs = torch.tensor(X_test, dtype=torch.float32)
    targets = torch.tensor(y_train, dtype=torch.float32).view(-1, 1)

    model = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    loss_fn = nn.MSELoss()
    for epoch in range(40):
        for rows in torch.randperm(len(inputs)).split(40):
            optimizer.zero_grad()
            loss = loss_fn(model(inputs[rows]), targets[rows])
            loss.backward()
            optimizer.step()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        predicted = model(test_inputs).numpy().ravel()
    print(f"R2 score: {r2_score(y_test, predicted):.4f}")


if __name__ == "__main__":
    main()
