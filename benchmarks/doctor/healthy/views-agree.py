"""SimCLR in small: two noisy views of one digit shall agree; afterwards a nearest-neighbour vote on the representation."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

torch.manual_seed(13)
digits = load_digits()
x = torch.tensor(digits.images / 16.0, dtype=torch.float32).unsqueeze(1)
mix = torch.randperm(len(x))
x, y = x[mix], digits.target[mix.numpy()]
x_train, x_test, y_train, y_test = x[:1300], x[1300:], y[:1300], y[1300:]


def view(images):
    n = len(images)
    angle = (torch.rand(n) - 0.5) * 0.5
    zoom = 1 + (torch.rand(n) - 0.5) * 0.3
    shift = (torch.rand(n, 2) - 0.5) * 0.3
    theta = torch.stack([torch.stack([zoom * angle.cos(), -angle.sin(), shift[:, 0]], 1),
                         torch.stack([angle.sin(), zoom * angle.cos(), shift[:, 1]], 1)], 1)
    moved = F.grid_sample(images, F.affine_grid(theta, images.shape, align_corners=False), align_corners=False)
    return moved + 0.15 * torch.randn_like(moved)


encoder = nn.Sequential(
    nn.Conv2d(1, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(24, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.Flatten(), nn.Linear(48 * 16, 64),
)
projector = nn.Sequential(nn.ReLU(), nn.Linear(64, 32))
optimizer = torch.optim.Adam([*encoder.parameters(), *projector.parameters()], lr=2e-3)


def nt_xent(a, b, temperature=0.3):
    z = F.normalize(torch.cat([a, b]), dim=1)
    similarity = z @ z.T / temperature
    similarity.fill_diagonal_(-1e9)
    n = len(a)
    partner = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(similarity, partner)


for epoch in range(12):
    encoder.train()
    total, batches = 0.0, 0
    for rows in torch.randperm(len(x_train)).split(130):
        images = x_train[rows]
        loss = nt_xent(projector(encoder(view(images))), projector(encoder(view(images))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total, batches = total + loss.item(), batches + 1
    print(f"epoch {epoch + 1} contrastive loss {total / batches:.4f}")

encoder.eval()
with torch.no_grad():
    h_train, h_test = encoder(x_train).numpy(), encoder(x_test).numpy()
knn = KNeighborsClassifier(n_neighbors=5).fit(h_train, y_train)
print(f"accuracy of the nearest neighbours {knn.score(h_test, y_test):.4f}")
