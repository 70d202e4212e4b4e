"""One sequence in, another out: numbers in words become digits, by a GRU with attention and by a transformer; the unit is a letter on one side, a word on
the other, as the texts are.
"""

import numpy as np

import goodfit as gf

ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]


def words(number: int) -> str:
    """>>> words(342)
    'three hundred forty two'
    """
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    rest = f" {words(number % 100)}" if number % 100 else ""
    return f"{ONES[number // 100]} hundred{rest}"


if __name__ == "__main__":
    numbers = np.random.default_rng(0).permutation(1_000)
    table = {"words": [words(number) for number in numbers], "digits": [" ".join(str(number)) for number in numbers]}
    for name in ("attention_rnn", "seq2seq_transformer"):
        sets = [f"model.name={name}", "model.width=32", "data.source=words", "train.epochs=25", "train.batch_size=32", "optim.lr=0.005"]
        run = gf.train(table, target="digits", preset="fast", sets=sets)
        print(f"{name:20} {run.metrics['accuracy']['value']:.3f} of the numbers right that it had never seen")
    print(run.predict({"words": ["five hundred sixty seven", "nineteen"]})["prediction"].to_list())
