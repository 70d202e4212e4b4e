import torch
import torch.nn as nn

torch.manual_seed(19)

TAGS = ["vegan", "quick", "spicy", "sweet", "baked", "asian"]
N_INGREDIENTS, LENGTH = 120, 9

# every tag likes some ingredients; a recipe carries a tag when enough of those are in it
liking = (torch.rand(len(TAGS), N_INGREDIENTS) < 0.16).float()


def recipes(n):
    words = torch.randint(0, N_INGREDIENTS, (n, LENGTH))
    count = liking[:, words].sum(-1).T
    return words, (count >= 2.5).float()


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.EmbeddingBag(N_INGREDIENTS, 24, mode="sum")
        self.net = nn.Sequential(
            nn.Linear(24, 64),
            nn.ReLU(),
            nn.Linear(64, len(TAGS)),
        )

    def forward(self, words):
        return self.net(self.embed(words))


train_words, train_tags = recipes(4000)
test_words, test_tags = recipes(1000)
print("share of recipes with each tag:", [round(v, 2) for v in train_tags.mean(0).tolist()])

model = Tagger()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

for epoch in range(20):
    model.train()
    running_loss = 0.0
    for rows in torch.randperm(4000).split(50):
        words, tags = train_words[rows], train_tags[rows]
        optimizer.zero_grad()
        outputs = model(words)
        loss = criterion(outputs, tags)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    print("Epoch %d, loss %.4f" % (epoch + 1, running_loss / 80))

model.eval()
with torch.no_grad():
    predicted = (torch.sigmoid(model(test_words)) > 0.5).float()
both = (predicted * test_tags).sum()
precision = both / predicted.sum().clamp(min=1)
recall = both / test_tags.sum()
print("precision %.3f recall %.3f" % (precision, recall))
print("micro F1 %.4f" % (2 * precision * recall / (precision + recall + 1e-9)))
