"""The weather at New York's airports: cleaned, and as it was known at a given moment."""

import pandas as pd

MEASURES = ["temp", "dewp", "wind_speed", "wind_gust", "precip", "pressure", "visib"]

# The strongest gust in the table is 67 mph, yet one wind speed reads 1,048 mph.
STRONGEST_WIND_MPH = 150

# An older observation says little: count it as missing.
OLDEST_OBSERVATION = pd.Timedelta(hours=6)


def clean_weather(weather: pd.DataFrame) -> pd.DataFrame:
    """Observations by airport, with the moment from which each is known.

    The table labels an observation with the hour in which it was made, so it is certainly known
    when that hour is over. Times are UTC: the local hour from 1 to 2 a.m. of 3 November is there twice.
    """
    observations = weather[["origin", *MEASURES]].copy()
    observations["known_at"] = pd.to_datetime(weather["time_hour"]) + pd.Timedelta(hours=1)
    observations["wind_speed"] = observations["wind_speed"].where(
        observations["wind_speed"] < STRONGEST_WIND_MPH
    )
    # A gust is only reported where it clearly exceeds the wind.
    observations["wind_gust"] = observations["wind_gust"].fillna(observations["wind_speed"])
    return observations.sort_values("known_at", ignore_index=True)


def add_last_known(flights: pd.DataFrame, observations: pd.DataFrame, at: str) -> pd.DataFrame:
    """Each flight with the last observation at its airport that was known at the time in column `at`.

    Hours without an observation take the one before, if it is recent enough. The result is ordered by `at`.
    """
    return pd.merge_asof(
        flights.sort_values([at, "origin", "carrier", "flight"], ignore_index=True),
        observations,
        left_on=at,
        right_on="known_at",
        by="origin",
        tolerance=OLDEST_OBSERVATION,
    ).drop(columns="known_at")
