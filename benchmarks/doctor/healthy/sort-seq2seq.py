import torch
import torch.nn as nn

torch.manual_seed(0)
V, T = 10, 6  # digits, length; token V starts the answer


class Seq2Seq(nn.Module):
    def __init__(self, dim=32, hidden=96):
        super().__init__()
        self.embed = nn.Embedding(V + 1, dim)
        self.encoder = nn.GRU(dim, hidden, batch_first=True)
        self.decoder = nn.GRU(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, V)

    def forward(self, source, target_in):
        _, state = self.encoder(self.embed(source))
        h, _ = self.decoder(self.embed(target_in), state)
        return self.out(h)

    @torch.no_grad()
    def generate(self, source):
        _, state = self.encoder(self.embed(source))
        token = torch.full((len(source), 1), V)
        said = []
        for _ in range(T):
            h, state = self.decoder(self.embed(token), state)
            token = self.out(h).argmax(-1)
            said.append(token)
        return torch.cat(said, 1)


def batch(n):
    x = torch.randint(0, V, (n, T))
    y = x.sort(1).values
    start = torch.full((n, 1), V)
    return x, torch.cat([start, y[:, :-1]], 1), y


model = Seq2Seq()
optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
criterion = nn.CrossEntropyLoss()
for step in range(400):
    x, y_in, y = batch(48)
    logits = model(x, y_in)
    loss = criterion(logits.reshape(-1, V), y.reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 150 == 0:
        print(f"step {step} loss {loss.item():.4f}")
model.eval()
x, _, y = batch(300)
print("token accuracy", (model.generate(x) == y).float().mean().item())
