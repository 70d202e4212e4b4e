"""Monte Carlo dropout: the answer is the mean over 40 passes with dropout left on."""
import torch
from sklearn.datasets import load_digits
from torch import nn

torch.manual_seed(3)

X, y = load_digits(return_X_y=True)
X = torch.tensor(X, dtype=torch.float32) / 16 - 0.3
y = torch.tensor(y)
perm = torch.randperm(len(X))
train, test = perm[:1300], perm[1300:]

net = nn.Sequential(
    nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.3),
    nn.Linear(128, 128), nn.ReLU(), nn.Dropout(0.3),
    nn.Linear(128, 10),
)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

net.train()
for epoch in range(30):
    for rows in train[torch.randperm(len(train))].split(50):
        optimizer.zero_grad()
        loss = loss_fn(net(X[rows]), y[rows])
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(epoch + 1, loss.item())


@torch.no_grad()
def predict(net, x, passes=40):
    # the spread of the passes tells how sure the net is
    net.train()
    votes = torch.stack([net(x).softmax(dim=1) for _ in range(passes)])
    mean = votes.mean(dim=0)
    doubt = -(mean * mean.clamp_min(1e-9).log()).sum(dim=1)
    return mean.argmax(dim=1), doubt


answer, doubt = predict(net, X[test])
right = answer == y[test]
sure = doubt < doubt.median()
print(f"doubt where right {doubt[right].mean():.3f}, where not {doubt[~right].mean():.3f}")
print(f"accuracy of the surer half {right[sure].float().mean():.4f}, accuracy overall {right.float().mean():.4f}")
