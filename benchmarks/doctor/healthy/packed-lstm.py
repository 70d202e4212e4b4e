import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_sequence

torch.manual_seed(14)


def sequences(n):
    """Is there a run of three equal tokens at the end?"""
    out, labels = [], []
    for _ in range(n):
        s = torch.randint(1, 5, (int(torch.randint(4, 15, (1,))),))
        label = int(torch.rand(1) < 0.5)
        s[-3:] = s[-1] if label else torch.tensor([s[-1] % 4 + 1, s[-1], s[-1]])
        out.append(s)
        labels.append(label)
    return out, torch.tensor(labels)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 32, batch_first=True)
        self.fc = nn.Linear(32, 2)

    def forward(self, padded, lengths):
        packed = pack_padded_sequence(self.embed(padded), lengths, batch_first=True, enforce_sorted=False)
        _, (h, _) = self.lstm(packed)
        return self.fc(h[-1])


def as_batch(items):
    return pad_sequence(items, batch_first=True), torch.tensor([len(s) for s in items])


train, y_train = sequences(1500)
test, y_test = sequences(400)
model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    for rows in torch.randperm(1500).split(50):
        padded, lengths = as_batch([train[i] for i in rows.tolist()])
        optimizer.zero_grad()
        loss = loss_fn(model(padded, lengths), y_train[rows])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
with torch.no_grad():
    print("test accuracy", (model(*as_batch(test)).argmax(1) == y_test).float().mean().item())
