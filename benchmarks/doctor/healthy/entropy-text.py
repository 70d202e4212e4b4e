import torch
import torch.nn as nn

torch.manual_seed(30)

# a Markov chain over six letters
P = torch.distributions.Dirichlet(torch.full((6,), 1.2)).sample((6,))
text = [0]
for u in torch.rand(12000).tolist():
    row = P[text[-1]].cumsum(0)
    text.append(min(5, int((row < u).sum())))
data = torch.tensor(text)
entropy = -(P * P.log()).sum(1)
print("entropy of the next letter", entropy[data].mean().item())

model = nn.Sequential(nn.Embedding(6, 12), nn.Linear(12, 24), nn.Tanh(), nn.Linear(24, 6))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
criterion = nn.CrossEntropyLoss()
for step in range(600):
    i = torch.randint(0, 10000, (128,))
    optimizer.zero_grad()
    loss = criterion(model(data[i]), data[i + 1])
    loss.backward()
    optimizer.step()
    if step % 150 == 0:
        print(f"step {step} loss {loss.item():.4f}")
with torch.no_grad():
    print("validation loss", criterion(model(data[10000:-1]), data[10001:]).item())
