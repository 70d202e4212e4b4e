"""A folder of pictures per class: 1,797 handwritten digits of 8 x 8 pixels, written as PNG files and learned."""

from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from sklearn.datasets import load_digits

import goodfit as gf


def write_digits(folder: Path) -> None:
    """`folder/<digit>/<number>.png`, from the test part of Alpaydin and Kaynak (1998), which scikit-learn carries."""
    digits = load_digits()
    for number, (pixels, digit) in enumerate(zip(digits.images, digits.target, strict=True)):
        path = folder / str(digit) / f"{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray((pixels * 15).astype("uint8")).resize((16, 16)).save(path)


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        pictures = Path(name) / "digits"
        pictures.mkdir()
        write_digits(pictures)
        run = gf.train(pictures, preset="fast", sets=["data.image_size=16"])
    print(f"accuracy {run.metrics['accuracy']['value']:.3f} on digits that the network had never seen")
    print(f"The report: {run.folder / 'report.html'}")
