import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

torch.manual_seed(25)
X, y = make_classification(1500, 8, n_informative=5, n_redundant=1, n_clusters_per_class=1, class_sep=1.4, flip_y=0.01, random_state=25)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=25)
features = make_pipeline(StandardScaler(), PolynomialFeatures(2, include_bias=False), StandardScaler())
X_train = torch.tensor(features.fit_transform(X_train), dtype=torch.float32)
X_test = torch.tensor(features.transform(X_test), dtype=torch.float32)
y_train = torch.tensor(y_train * 2 - 1, dtype=torch.float32)
y_test = torch.tensor(y_test * 2 - 1, dtype=torch.float32)

svm = nn.Linear(X_train.shape[1], 1)
optimizer = torch.optim.SGD(svm.parameters(), lr=0.02)
for epoch in range(40):
    for i in torch.randperm(len(X_train)).split(30):
        margin = y_train[i] * svm(X_train[i]).squeeze(1)
        loss = torch.clamp(1 - margin, min=0).mean() + 1e-3 * svm.weight.pow(2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: hinge {loss.item():.4f}")
with torch.no_grad():
    print("test accuracy", (svm(X_test).squeeze(1).sign() == y_test).float().mean().item())
