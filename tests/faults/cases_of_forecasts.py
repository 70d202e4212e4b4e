"""Broken series of times; see `cases`."""

from __future__ import annotations

from cases import SOUND, Case, refused, used

AHEAD = "train {in}/data.csv --target riders --task forecast --set data.horizon=3 --out {out}"

RIDGE = f"{SOUND} --set model.name=ridge"

CASES_OF_FORECASTS: list[Case] = [
    used("times-sound", "in steps of 1 day", call=AHEAD),
    used("times-out-of-order", "in steps of 1 day", call=AHEAD),
    used("times-with-gaps", "4 of them without a row", call=AHEAD),
    refused("times-twice", "has one row for a time; 2024-01-09 00:00:00 occurs twice", row=10, column="date", call=AHEAD),
    refused("times-irregular", "1 day apart; 2024-01-09 07:30:00 lies between two", row=9, column="date", call=AHEAD),
    refused("times-absent", "no column holds dates", call=AHEAD),
    refused("times-of-two-columns", "'date' and 'paid'|'date', 'paid' hold dates", call=AHEAD),
    refused("times-one-missing", "a forecast needs a value of 'date' in every row (row 5)", row=5, column="date", call=AHEAD),
    refused("times-far-apart", "steps of 1 day between its first and its last", column="date", call=AHEAD),
    refused("times-few", "give more rows", call=AHEAD.replace("horizon=3", "horizon=60"), files="times-sound"),
    refused("times-of-words", "a forecast is of numbers", column="weather", call=AHEAD.replace("riders", "weather"), files="times-sound"),
    refused("times-season-too-long", "smaller data.season", call=f"{AHEAD} --set data.season=300", files="times-sound"),
    refused("times-nothing-known", "no value in any row", column="riders", call=AHEAD),
    refused(
        "horizon-without-a-forecast",
        "data.horizon has no effect with data.task=None",
        call=AHEAD.replace("--task forecast", ""),
        files="times-sound",
        file="",
    ),
    refused("ridge-with-a-rate", "optim.lr has no effect on ridge", call=f"{RIDGE} --set optim.lr=0.1", files="sound", file=""),
    refused("ridge-penalty-negative", "model.penalty must be at least 0", call=f"{RIDGE} --set model.penalty=-1", files="sound", file=""),
    refused(
        "svm-penalty-zero",
        "the penalty of svm must be above 0",
        call=f"{SOUND} --set model.name=svm --set model.penalty=0",
        files="sound",
        file="",
    ),
]
