import torch, torch.nn as nn
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

torch.manual_seed(1)
digits = load_digits()
X = torch.tensor(digits.images, dtype=torch.float32).reshape(-1, 64) / 8 - 1
y = torch.tensor(digits.target)
tr, te = train_test_split(range(len(y)), test_size=0.3, random_state=5)

class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = nn.Linear(64, 100)
        self.layer2 = nn.Linear(100, 10)
        self.softmax = nn.Softmax(dim=1)

    def forward(self, x):
        x = torch.tanh(self.layer1(x))
        return self.softmax(self.layer2(x))

model = MLP()
opt = torch.optim.SGD(model.parameters(), lr=0.05)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(12):
    perm = torch.tensor(tr)[torch.randperm(len(tr))]
    s = 0
    for b in perm.split(32):
        out = model(X[b])
        loss = loss_fn(out, y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
        s += loss.item() * len(b)
    acc = (model(X[te]).argmax(1) == y[te]).float().mean().item()
    print(f"Epoch {epoch+1:2d} | loss {s/len(tr):.3f} | acc {acc:.3f}")
print(f"Test acc: {acc:.4f}")
