import torch
import torch.nn as nn

torch.manual_seed(66)

# temperature, luminosity, radius, colour index of stars; four kinds
kind = torch.randint(0, 4, (2000,))
centres = torch.tensor([[0.0, 0.0, 0.0, 0.0], [1.2, 1.0, -0.5, -1.0], [-1.0, 1.4, 1.2, 0.8], [0.9, -1.3, -1.2, 0.4]])
stars = centres[kind] + 0.5 * torch.randn(2000, 4) * (1 + 0.3 * kind[:, None])
stars = (stars - stars[:1500].mean(0)) / stars[:1500].std(0)


def make_model():
    return nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 4))


def train(model, x, y, epochs=15, batch_size=50):
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss()
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(x)).split(batch_size):
            optimizer.step()
            optimizer.zero_grad()
            loss = criterion(model(x[rows]), y[rows])
            loss.backward()
            optimizer.zero_grad()
            total += loss.item() * len(rows)
        if epoch % 5 == 4:
            print(f"epoch {epoch + 1} loss {total / len(x):.4f}")
    return model


model = train(make_model(), stars[:1500], kind[:1500])
model.eval()
with torch.no_grad():
    accuracy = (model(stars[1500:]).argmax(1) == kind[1500:]).float().mean().item()
print(f"accuracy {accuracy:.4f}")
