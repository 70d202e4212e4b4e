import torch
import torch.nn as nn
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch.utils.data import DataLoader, TensorDataset


class LogisticPlus(nn.Module):
    def __init__(self, in_features):
        super().__init__()
        self.hidden = nn.Linear(in_features, 32)
        self.relu = nn.ReLU()
        self.output = nn.Linear(32, 1)
        self.activation = nn.Softmax(dim=1)

    def forward(self, x):
        return self.activation(self.output(self.relu(self.hidden(x))))


def main():
    torch.manual_seed(3)
    X, y = make_classification(1600, 16, n_informative=6, class_sep=1.2, flip_y=0.02, random_state=3)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=3)
    train_ds = TensorDataset(torch.tensor(X_train, dtype=torch.float32), torch.tensor(y_train, dtype=torch.float32))
    loader = DataLoader(train_ds, batch_size=40, shuffle=True)
    model = LogisticPlus(16)
    criterion = nn.BCELoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(20):
        for inputs, labels in loader:
            outputs = model(inputs).squeeze()
            loss = criterion(outputs, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 5 == 0:
            print(f"Epoch [{epoch + 1}/20], Loss: {loss.item():.4f}")
    model.eval()
    with torch.no_grad():
        outputs = model(torch.tensor(X_test, dtype=torch.float32)).squeeze()
        predicted = outputs.round()
        accuracy = (predicted == torch.tensor(y_test)).float().mean().item()
    print(f"Accuracy on test set: {accuracy:.4f}")


main()
