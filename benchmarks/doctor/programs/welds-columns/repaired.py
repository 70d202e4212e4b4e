import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset, random_split

SEED = 21
torch.manual_seed(SEED)
rng = np.random.RandomState(SEED)

# ---- the table exported from the plant (one row a seam) ----
N = 2400
table = {
    "operator": rng.randint(1, 15, N),
    "station": rng.randint(1, 7, N),
    "minute_of_shift": rng.uniform(0, 480, N),
    "batch": rng.randint(100, 160, N),
    "sheet_supplier": rng.randint(0, 4, N),
    "current": rng.normal(180, 15, N),
    "voltage": rng.normal(24, 1.5, N),
    "wire_speed": rng.normal(7.5, 0.8, N),
    "gas_flow": rng.normal(14, 2, N),
}
heat = (table["current"] - 180) / 15 + (table["voltage"] - 24) / 1.5 - (table["wire_speed"] - 7.5) / 0.8
strain = np.abs(heat) + 0.7 * np.maximum(0, 12.5 - table["gas_flow"]) + rng.normal(0, 0.25, N)
table["rework"] = (strain > np.median(strain)).astype(np.int64)

COLUMNS = ["operator", "station", "minute_of_shift", "batch", "sheet_supplier", "current", "voltage", "wire_speed", "gas_flow"]

# ---- arrays ----
X = np.stack([table[c] for c in COLUMNS], axis=1).astype(np.float32)
X = (X - X.mean(0)) / X.std(0)
data = TensorDataset(torch.from_numpy(X), torch.from_numpy(table["rework"]))
train_data, test_data = random_split(data, [1800, 600], generator=torch.Generator().manual_seed(SEED))


class Trainer:
    def __init__(self, model, lr=2e-3, batch_size=64):
        self.model = model
        self.batch_size = batch_size
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr, weight_decay=1e-4)
        self.criterion = nn.CrossEntropyLoss()

    def fit(self, data, epochs):
        loader = DataLoader(data, batch_size=self.batch_size, shuffle=True)
        for epoch in range(epochs):
            self.model.train()
            total = 0.0
            for x, y in loader:
                self.optimizer.zero_grad()
                loss = self.criterion(self.model(x), y)
                loss.backward()
                self.optimizer.step()
                total += loss.item() * len(y)
            print(f"epoch {epoch + 1}: {total / len(data):.4f}")

    @torch.no_grad()
    def score(self, data):
        self.model.eval()
        loader = DataLoader(data, batch_size=500)
        return sum((self.model(x).argmax(1) == y).sum().item() for x, y in loader) / len(data)


model = nn.Sequential(nn.Linear(len(COLUMNS), 48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 2))
trainer = Trainer(model)
trainer.fit(train_data, epochs=20)
print("test acc:", trainer.score(test_data))
