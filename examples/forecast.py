"""A series of time: train on its past, look at the error at each distance, and forecast what comes next.

The demand for electricity of a small town is made up here: a day's course, a week's, a slow rise and chance. Runs in a minute or two.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

import goodfit as gf


def main() -> None:
    generator = np.random.default_rng(0)
    hour = np.arange(24 * 100)
    weekend = (hour // 24) % 7 >= 5
    demand = 40 + 10 * np.sin(2 * np.pi * (hour % 24 - 6) / 24) - 6 * weekend + 0.002 * hour + generator.normal(0, 1.5, hour.size)
    when = [dt.datetime(2024, 1, 1) + dt.timedelta(hours=int(h)) for h in hour]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "demand.csv"
        pl.DataFrame({"when": when, "demand": demand.round(2)}).write_csv(path)

        # The column of times, the step of an hour, the season and the horizon of a day are found.
        for network in ("forecast_rnn", "forecast_gru", "forecast_lstm"):
            sets = [f"model.name={network}"]
            run = gf.train(path, "demand", task="forecast", preset="fast", time_limit=25, sets=sets, out=Path(folder) / network)
            score = run.metrics["mean_absolute_error"]
            print(f"{network}: off by {score['value']:.2f} on average ({score['low']:.2f} to {score['high']:.2f})")

        target = run.analysis["targets"][0]
        for baseline in target["baselines"]:
            print(f"  {baseline['name']}: {baseline['metrics']['mean_absolute_error']:.2f}")
        first, last = target["forecast"]["by_step"][0], target["forecast"]["by_step"][-1]
        print(f"one hour ahead {first['error']:.2f}, {last['step']} hours ahead {last['error']:.2f}")
        print(run.predict().head(5))  # the hours after the end of the file


if __name__ == "__main__":
    main()
