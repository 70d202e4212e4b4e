import torch
from torch import nn

torch.manual_seed(25)


def signal(n):
    """A machine that switches its mode rarely; the output tells the mode with noise."""
    switch = torch.rand(n) < 0.03
    mode = switch.cumsum(0) % 3
    return torch.stack([(mode - 1) * 0.8 + torch.randn(n), (mode == 1) * 1.0 + torch.randn(n)], 1).float(), mode


class Listener(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(2, 24, batch_first=True)
        self.out = nn.Linear(24, 3)

    def forward(self, x, state=None):
        h, state = self.rnn(x, state)
        return self.out(h), state


streams = [signal(2000) for _ in range(8)]
x = torch.stack([s[0] for s in streams])
y = torch.stack([s[1] for s in streams])
model = Listener()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    state = None
    for t in range(0, 2000, 50):
        logits, state = model(x[:, t:t + 50], state)
        state = state.detach()
        loss = loss_fn(logits.flatten(0, 1), y[:, t:t + 50].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1} loss {loss.item():.4f}")
x_test, y_test = signal(3000)
with torch.no_grad():
    said = model(x_test[None])[0].argmax(-1)[0]
    print("accuracy", (said == y_test).float().mean().item())
