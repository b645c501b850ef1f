"""The audiences of the workload "night": 30 rules over attributes, 6 over events, 4 over other audiences.

They hold 0.1 % to 100 % of all profiles.

An audience has 0.1 % to 100 % of all profiles. muster, Polars and DuckDB understand the SQL alike; references to
audiences (``audience."x"`` in muster) and ``now()`` differ, and ``rule`` puts them in as the reader spells them.
"""

from collections.abc import Callable

ATTRIBUTES = {
    "everyone": "true",
    "contactable": "email IS NOT NULL",
    "with-phone": "phone IS NOT NULL",
    "newsletter": "newsletter",
    "europe": "country IN ('GB', 'DE', 'FR', 'ES', 'IT', 'NL', 'SE', 'PL', 'AT', 'LU')",
    "north-america": "country IN ('US', 'CA')",
    "germany": "country = 'DE'",
    "british-adults": "country = 'GB' AND birth_year <= 2006",
    "gold": "loyalty.tier = 'gold'",
    "silver-or-gold": "loyalty.tier IN ('silver', 'gold')",
    "point-hunters": "loyalty.points BETWEEN 1000 AND 5000",
    "high-value": "lifetime_value > 500",
    "very-high-value": "lifetime_value >= 2000",
    "never-bought": "lifetime_value = 0",
    "young": "birth_year >= 1998",
    "seniors": "birth_year < 1960",
    "new-customers": "signup_at > {now} - INTERVAL '30 days'",
    "new-this-quarter": "signup_at > {now} - INTERVAL '90 days'",
    "veterans": "signup_at <= {now} - INTERVAL '2000 days'",
    "us-without-phone": "phone IS NULL AND country = 'US'",
    "mail3-addresses": "email LIKE '%@mail3.example.com'",
    "three-towns": "city IN ('Anbiton', 'Befreville', 'Ulmoburg')",
    "low-score": "score < 0.05",
    "top-score": "score > 0.999",
    "churn-risk": "score < 0.3 AND lifetime_value > 100",
    "unknown-age": "birth_year IS NULL",
    "northern-gold": "country IN ('SE', 'PL') AND loyalty.tier = 'gold'",
    "upsell": "loyalty.tier = 'silver' AND loyalty.points > 500 AND NOT newsletter",
    "names-with-a": "first_name LIKE 'A%'",
    "win-back": "signup_at < {now} - INTERVAL '365 days' AND score < 0.1 AND email IS NOT NULL",
}
# Over events: what is computed, of which column, of which events, over how many days.
MEASURES: dict[str, tuple[str, str | None, str | None, int]] = {
    "scifi_views": ("count", None, "event_type = 'view' AND category = 'scifi'", 30),
    "purchases_30d": ("count", None, "event_type = 'purchase'", 30),
    "spend_90d": ("sum", "amount", "event_type = 'purchase'", 90),
    "carts_7d": ("count", None, "event_type = 'add_to_cart'", 7),
    "purchases_7d": ("count", None, "event_type = 'purchase'", 7),
    "views_90d": ("count", None, "event_type = 'view'", 90),
    "purchases_90d": ("count", None, "event_type = 'purchase'", 90),
    "last_seen": ("max", "timestamp", None, 90),
}
EVENTS = {
    "science-fiction-fans": ("scifi_views >= 2", ("scifi_views",)),
    "recent-buyers": ("purchases_30d >= 1", ("purchases_30d",)),
    "big-spenders": ("spend_90d > 100", ("spend_90d",)),
    "full-carts": ("carts_7d >= 1 AND purchases_7d = 0", ("carts_7d", "purchases_7d")),
    "window-shoppers": ("views_90d >= 8 AND purchases_90d = 0", ("views_90d", "purchases_90d")),
    "inactive": ("last_seen IS NULL OR last_seen < {now} - INTERVAL '30 days'", ("last_seen",)),
}
REFERENCES = {
    "vip": "{gold} OR {very-high-value}",
    "european-buyers": "{europe} AND {recent-buyers}",
    "mailing-list": "{newsletter} AND {contactable} AND NOT {churn-risk}",
    "prospects": "{window-shoppers} AND NOT {vip} AND lifetime_value < 200",
}
NAMES = (*ATTRIBUTES, *EVENTS, *REFERENCES)
RULES = ATTRIBUTES | {name: where for name, (where, _) in EVENTS.items()} | REFERENCES

EVERYBODY = "lifetime_value >= 0"  # of the small workloads: a rule that is looked at, and holds for all

# The columns of every file: eight attributes, then status and time.
COLUMNS = ("profile_id", "email", "first_name", "country", "city", "signup_at", "lifetime_value", "phone")
STATUS, TIME = "status", "qualified_at"


def rule(name: str, now: str, reference: Callable[[str], str]) -> str:
    """The rule in SQL, with ``now`` and references to other audiences as the reader of the SQL spells them."""
    return filled(RULES[name], now, reference)


def filled(where: str, now: str, reference: Callable[[str], str]) -> str:
    """A condition with the instant and the references to other audiences put in."""
    words = {"now": now} | {other: reference(other) for other in RULES}
    for word, spelled in words.items():
        where = where.replace(f"{{{word}}}", spelled)
    return where


def many(count: int) -> dict[str, str]:
    """``count`` different audiences over attributes, about 2 % of all profiles each."""
    countries = ("US", "GB", "DE", "FR", "CA", "ES", "IT", "NL", "PL", "SE")
    return {
        f"segment-{n:04}": f"country = '{countries[n % 10]}' AND birth_year BETWEEN {1950 + n % 37} AND {1962 + n % 37}"
        f" AND score > {n % 97 / 200} AND lifetime_value > {n / 100}"
        for n in range(count)
    }
