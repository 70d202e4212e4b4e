"""Networks, one a file, and the catalogue of their names.

    from goodfit.models import ResNet

Nothing that the command line needs for its help imports this package.
"""

from goodfit.models.lenet import LeNet5
from goodfit.models.resnet import ResNet, cifar_resnet, imagenet_resnet
from goodfit.models.resnet9 import ResNet9
from goodfit.models.vgg import VGG
from goodfit.models.vit import ViT

__all__ = ["VGG", "LeNet5", "ResNet", "ResNet9", "ViT", "cifar_resnet", "imagenet_resnet"]
