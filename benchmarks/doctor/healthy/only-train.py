import torch
import torch.nn as nn

torch.manual_seed(10)


def data(n):
    x = torch.rand(n, 2) * 2 - 1
    y = ((x[:, 0] ** 2 + x[:, 1] ** 2 < 0.5) ^ (x[:, 0] > 0.6)).float()
    return x, y


x, y = data(2000)
model = nn.Sequential(
    nn.Linear(2, 48),
    nn.ReLU(),
    nn.Linear(48, 48),
    nn.ReLU(),
    nn.Linear(48, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.BCEWithLogitsLoss()

for epoch in range(30):
    permutation = torch.randperm(x.size()[0])
    for i in range(0, x.size()[0], 64):
        indices = permutation[i:i + 64]
        optimizer.zero_grad()
        outputs = model.forward(x[indices])
        loss = loss_fn(outputs.squeeze(), y[indices])
        loss.backward()
        optimizer.step()

torch.manual_seed(11)
x_new, y_new = data(500)
prediction = (model(x_new).squeeze() > 0).float()
print("accuracy on new data", (prediction == y_new).float().mean().item())
