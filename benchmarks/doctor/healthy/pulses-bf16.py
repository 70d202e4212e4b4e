import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class Block(nn.Module):
    def __init__(self, c_in, c_out):
        super().__init__()
        self.conv1 = nn.Conv1d(c_in, c_out, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm1d(c_out)
        self.conv2 = nn.Conv1d(c_out, c_out, 5, padding=2, bias=False)
        self.bn2 = nn.BatchNorm1d(c_out)
        self.skip = nn.Conv1d(c_in, c_out, 1, stride=2)

    def forward(self, x):
        h = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(h)) + self.skip(x))


class PulseNet(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.body = nn.Sequential(Block(1, 16), Block(16, 24), Block(24, 32))
        self.head = nn.Linear(32, classes)

    def forward(self, x):
        return self.head(self.body(x).mean(-1))


def heartbeats(n, steps=128):
    """Five kinds of beat: normal, early, wide, missing, doubled."""
    t = torch.arange(steps).float()
    kind = torch.randint(0, 5, (n,))
    period = 32 + 4 * torch.rand(n, 1) - 2
    phase = torch.rand(n, 1) * 32
    x = torch.zeros(n, steps)
    for beat in range(-1, 6):
        centre = phase + beat * period
        third = torch.full((n, 1), float(beat == 2))
        centre = centre - 9 * third * (kind == 1)[:, None]
        width = 1.5 + 2.0 * (kind == 2)[:, None]
        height = 1 - third * (kind == 3)[:, None]
        x = x + height * torch.exp(-((t - centre) / width) ** 2)
        x = x + third * (kind == 4)[:, None] * torch.exp(-((t - centre - 8) / width) ** 2)
    return (x + 0.15 * torch.randn(n, steps)).unsqueeze(1), kind


class Trainer:
    def __init__(self, model, train, test, epochs):
        self.model, self.epochs = model, epochs
        self.train_loader = DataLoader(train, batch_size=64, shuffle=True, drop_last=True)
        self.test_loader = DataLoader(test, batch_size=256)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.01)
        self.scheduler = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 8e-3, epochs=epochs, steps_per_epoch=len(self.train_loader))
        self.criterion = nn.CrossEntropyLoss(label_smoothing=0.05)

    def run(self):
        for epoch in range(self.epochs):
            self.model.train()
            for x, y in self.train_loader:
                with torch.autocast("cpu", dtype=torch.bfloat16):
                    logits = self.model(x)
                loss = self.criterion(logits.float(), y)
                self.optimizer.zero_grad(set_to_none=True)
                loss.backward()
                self.optimizer.step()
                self.scheduler.step()
            print(f"epoch {epoch + 1} | last loss {loss.item():.4f} | accuracy {self.evaluate():.4f}")

    @torch.inference_mode()
    def evaluate(self):
        self.model.eval()
        right = sum((self.model(x).argmax(1) == y).sum().item() for x, y in self.test_loader)
        return right / len(self.test_loader.dataset)


torch.manual_seed(10)
x, y = heartbeats(2000)
trainer = Trainer(PulseNet(5), TensorDataset(x[:1500], y[:1500]), TensorDataset(x[1500:], y[1500:]), epochs=7)
trainer.run()
print(f"Final test accuracy: {trainer.evaluate():.4f}")
