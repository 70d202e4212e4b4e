import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

rng = np.random.default_rng(7)
torch.manual_seed(7)

# used cars: brand, fuel, age, mileage, power
n = 2500
brand, fuel = rng.integers(0, 12, n), rng.integers(0, 3, n)
age, power = rng.gamma(2, 3, n), rng.normal(110, 30, n)
mileage = age * rng.normal(14000, 4000, n).clip(2000)
log_price = 9.5 + np.linspace(-0.5, 0.6, 12)[brand] - 0.08 * age - 2e-6 * mileage + 0.006 * power + np.array([0, 0.05, 0.2])[fuel]
price = np.exp(log_price + rng.normal(0, 0.1, n))

numbers = np.column_stack([age, mileage, power])
numbers = (numbers - numbers[:2000].mean(0)) / numbers[:2000].std(0)
target = np.log(price)
mean, std = target[:2000].mean(), target[:2000].std()
parts = (
    torch.tensor(np.column_stack([brand, fuel])), torch.tensor(numbers, dtype=torch.float32), torch.tensor((target - mean) / std, dtype=torch.float32)
)
train = TensorDataset(*(p[:2000] for p in parts))
val_cats, val_numbers, val_target = (p[2000:] for p in parts)


class CarModel(nn.Module):
    def __init__(self):
        super().__init__()
        self.brand, self.fuel = nn.Embedding(12, 6), nn.Embedding(3, 2)
        self.mlp = nn.Sequential(nn.Linear(11, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 1))

    def forward(self, cats, numbers):
        x = torch.cat([self.brand(cats[:, 0]), self.fuel(cats[:, 1]), numbers], dim=1)
        return self.mlp(x)[:, 0]


model = CarModel()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3, weight_decay=1e-5)
loss_fn = nn.MSELoss()
for epoch in range(15):
    model.train()
    for cats, nums, t in DataLoader(train, batch_size=50, shuffle=True):
        optimizer.zero_grad()
        loss = loss_fn(model(cats, nums), t)
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        val = loss_fn(model(val_cats, val_numbers), val_target)
    print(f"epoch {epoch + 1}: train {loss.item():.4f} val {val.item():.4f}")
print("validation R2", 1 - (val / val_target.var()).item())
