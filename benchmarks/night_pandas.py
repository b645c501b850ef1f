"""The night as a careful pandas user writes it: ``python -m benchmarks.night_pandas DATA DAY STATE OUT``.

Arrow-backed columns, whole-column operations, one sort. State is a Parquet file as with DuckDB: a row a profile, a
hash of the identities, and for each audience since when it is a member.
"""

from collections.abc import Callable

import pandas as pd  # type: ignore[import-untyped]

from benchmarks import night_task
from benchmarks.audiences import COLUMNS, MEASURES, NAMES, STATUS, TIME

_ID = "profile_id"
_DAYS = {
    "scifi_views": 30,
    "purchases_30d": 30,
    "spend_90d": 90,
    "carts_7d": 7,
    "purchases_7d": 7,
    "views_90d": 90,
    "purchases_90d": 90,
}
# The rules of benchmarks.audiences once more: p are the profiles, with measures and audiences so far.
_RULES: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "everyone": lambda p: p["profile_id"].notna(),
    "contactable": lambda p: p["email"].notna(),
    "with-phone": lambda p: p["phone"].notna(),
    "newsletter": lambda p: p["newsletter"],
    "europe": lambda p: p["country"].isin(["GB", "DE", "FR", "ES", "IT", "NL", "SE", "PL", "AT", "LU"]),
    "north-america": lambda p: p["country"].isin(["US", "CA"]),
    "germany": lambda p: p["country"] == "DE",
    "british-adults": lambda p: (p["country"] == "GB") & (p["birth_year"] <= 2006),
    "gold": lambda p: p["tier"] == "gold",
    "silver-or-gold": lambda p: p["tier"].isin(["silver", "gold"]),
    "point-hunters": lambda p: p["points"].between(1000, 5000),
    "high-value": lambda p: p["lifetime_value"] > 500,
    "very-high-value": lambda p: p["lifetime_value"] >= 2000,
    "never-bought": lambda p: p["lifetime_value"] == 0,
    "young": lambda p: p["birth_year"] >= 1998,
    "seniors": lambda p: p["birth_year"] < 1960,
    "new-customers": lambda p: p["age"] < pd.Timedelta(days=30),
    "new-this-quarter": lambda p: p["age"] < pd.Timedelta(days=90),
    "veterans": lambda p: p["age"] >= pd.Timedelta(days=2000),
    "us-without-phone": lambda p: p["phone"].isna() & (p["country"] == "US"),
    "mail3-addresses": lambda p: p["email"].str.endswith("@mail3.example.com"),
    "three-towns": lambda p: p["city"].isin(["Anbiton", "Befreville", "Ulmoburg"]),
    "low-score": lambda p: p["score"] < 0.05,
    "top-score": lambda p: p["score"] > 0.999,
    "churn-risk": lambda p: (p["score"] < 0.3) & (p["lifetime_value"] > 100),
    "unknown-age": lambda p: p["birth_year"].isna(),
    "northern-gold": lambda p: p["country"].isin(["SE", "PL"]) & (p["tier"] == "gold"),
    "upsell": lambda p: (p["tier"] == "silver") & (p["points"] > 500) & ~p["newsletter"],
    "names-with-a": lambda p: p["first_name"].str.startswith("A"),
    "win-back": lambda p: (p["age"] > pd.Timedelta(days=365)) & (p["score"] < 0.1) & p["email"].notna(),
    "science-fiction-fans": lambda p: p["scifi_views"] >= 2,
    "recent-buyers": lambda p: p["purchases_30d"] >= 1,
    "big-spenders": lambda p: p["spend_90d"] > 100,
    "full-carts": lambda p: (p["carts_7d"] >= 1) & (p["purchases_7d"] == 0),
    "window-shoppers": lambda p: (p["views_90d"] >= 8) & (p["purchases_90d"] == 0),
    "inactive": lambda p: p["idle"].isna() | (p["idle"] > pd.Timedelta(days=30)),
    "vip": lambda p: p["gold"] | p["very-high-value"],
    "european-buyers": lambda p: p["europe"] & p["recent-buyers"],
    "mailing-list": lambda p: p["newsletter member"] & p["contactable"] & ~p["churn-risk"],
    "prospects": lambda p: p["window-shoppers"] & ~p["vip"] & (p["lifetime_value"] < 200),
}


def night(task: night_task.Task) -> None:
    """Evaluate, compare, write files and state."""
    profiles = _evaluated(task)
    kept = pd.read_parquet(task.before, dtype_backend="pyarrow") if task.before else _nobody(profiles)
    both = profiles.merge(kept, on=_ID, how="outer", suffixes=("", " before")).sort_values(_ID)
    both["signup_at"] = both["signup_at"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    other = (both["digest"] != both["digest before"]).fillna(False)
    state = {_ID: both[_ID], "digest": both["digest"]}
    for name in NAMES:
        was = both[f"since {name}"]
        member = both[_column(name)].fillna(False)
        since = was.where(was.notna(), f"{task.at:%Y-%m-%dT%H:%M:%SZ}").where(member)
        changed = (member != was.notna()) | (member & other)
        state[f"since {name}"] = since
        _write(task, name, both, since, changed)
    pd.DataFrame(state)[both["digest"].notna()].to_parquet(task.after, index=False)


def _write(task: night_task.Task, name: str, both: pd.DataFrame, since: pd.Series, changed: pd.Series) -> None:
    attributes = both[list(COLUMNS)]
    realized = since.notna()
    attributes[realized].assign(**{STATUS: "realized", TIME: since[realized]}).to_csv(task.full(name), index=False)
    status = realized[changed].map({True: "realized", False: "exited"})
    times = since[changed].fillna(f"{task.at:%Y-%m-%dT%H:%M:%SZ}")
    attributes[changed].assign(**{STATUS: status, TIME: times}).to_csv(task.changes(name), index=False)


def _evaluated(task: night_task.Task) -> pd.DataFrame:
    """The day's profiles with a column for each audience."""
    columns = [*COLUMNS, "birth_year", "score", "newsletter", "loyalty", "identity_map"]
    profiles = pd.read_parquet(task.data / "profiles" / task.day, columns=columns, dtype_backend="pyarrow")
    profiles["tier"], profiles["points"] = (profiles["loyalty"].struct.field(field) for field in ("tier", "points"))
    profiles["digest"] = _digest(profiles["identity_map"])
    profiles = profiles.drop(columns=["loyalty", "identity_map"]).merge(_measures(task), on=_ID, how="left")
    profiles = profiles.fillna(dict.fromkeys(_DAYS, 0))
    profiles["age"], profiles["idle"] = (
        pd.Timestamp(task.at) - profiles[column] for column in ("signup_at", "last_seen")
    )
    for name in NAMES:
        profiles[_column(name)] = _RULES[name](profiles).fillna(False)
    return profiles


def _column(name: str) -> str:
    """The name of an audience's column; one audience has the name of an attribute."""
    return "newsletter member" if name == "newsletter" else name


def _digest(identities: pd.Series) -> pd.Series:
    """A digest of each list of pairs that does not depend on their order: the sum of the pairs' hashes."""
    pairs = identities.list.flatten()
    hashed = pd.util.hash_array(
        (pairs.struct.field("namespace") + "\x1f" + pairs.struct.field("id")).to_numpy(dtype=object)
    )
    return (
        pd.Series(hashed, index=pairs.index).groupby(level=0).sum().reindex(identities.index).astype("uint64[pyarrow]")
    )


def _measures(task: night_task.Task) -> pd.DataFrame:
    """The measures: one pass over the events of the last 90 days."""
    events = pd.read_parquet(task.data / "events", dtype_backend="pyarrow")
    age = pd.Timestamp(task.at) - events["timestamp"]
    kind, category = events["event_type"], events["category"]
    columns = {
        "scifi_views": (kind == "view") & (category == "scifi"),
        "purchases_30d": kind == "purchase",
        "spend_90d": kind == "purchase",
        "carts_7d": kind == "add_to_cart",
        "purchases_7d": kind == "purchase",
        "views_90d": kind == "view",
        "purchases_90d": kind == "purchase",
    }
    counted = pd.DataFrame({_ID: events[_ID], "last_seen": events["timestamp"]})
    for name, counts in columns.items():
        within = counts & (age <= pd.Timedelta(days=_DAYS[name]))
        counted[name] = (events["amount"].where(within, 0.0) if name == "spend_90d" else within.astype("int32")).astype(
            "float64" if name == "spend_90d" else "int32"
        )
    counted = counted[(age >= pd.Timedelta(0)) & (age <= pd.Timedelta(days=90))]
    return (
        counted.groupby(_ID, sort=False)
        .agg({name: "max" if name == "last_seen" else "sum" for name in MEASURES})
        .reset_index()
    )


def _nobody(profiles: pd.DataFrame) -> pd.DataFrame:
    none = pd.DataFrame({_ID: profiles[_ID], "digest": profiles["digest"]}).head(0)
    return none.assign(**{f"since {name}": pd.Series(dtype="string[pyarrow]") for name in NAMES})


if __name__ == "__main__":
    night(night_task.from_command_line())
