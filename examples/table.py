"""A table: train a network, read its scores and findings, predict new rows."""

from pathlib import Path

import polars as pl

import goodfit as gf

table = Path(__file__).parent / "adult.csv.gz"

if __name__ == "__main__":
    run = gf.train(table, target="income", preset="fast")
    for name, score in run.metrics.items():
        print(f"{name:20} {score['value']:.4f}   (95 %: {score['low']:.4f} to {score['high']:.4f})")
    for finding in run.findings:
        print(f"{finding['severity']}: {finding['message']}")

    people = pl.read_csv(table).head(5)
    print(run.predict(people.drop("income")))
    print(f"The report: {run.folder / 'report.html'}")
