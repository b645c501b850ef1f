"""Events of the shop over 90 days: views, carts, purchases and returns."""

from bisect import bisect
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

from muster.sample_data import DAYS
from muster.sample_data.names import between, pick
from muster.sample_data.people import Profile

Event = dict[str, Any]  # one row of an event file, in the types of sample_data.make.EVENTS

COUNT = 20_000
END = datetime(DAYS[1].year, DAYS[1].month, DAYS[1].day, tzinfo=UTC)
START = END - timedelta(days=90)
STORES = ("Boston, Quincy Market", "London Bridge", "Köln Hbf", "Lyon Part-Dieu", "Denver Union Station")
PRICES = {
    "boots": (59, 189),
    "camping": (19, 399),
    "garden": (9, 129),
    "jackets": (79, 329),
    "kitchen": (5, 89),
    "lamps": (25, 149),
    "toys": (4, 49),
}


@dataclass(frozen=True)
class Product:
    """One thing on sale; the price is in cents."""

    sku: str
    category: str
    price: int


def events(profiles: list[Profile]) -> list[Event]:
    """About ``COUNT`` events, sorted by time: most of a few customers, some of guests who have no profile."""
    rng = Random("shopping")
    shelves = _products(rng)
    names = sorted((str(profile["profile_id"]) for profile in profiles), key=lambda _: rng.random())
    names[30:30] = ["guest-0001", "guest-0002"]
    weights = list(accumulate(1 / (rank + 40) for rank in range(len(names))))
    found: list[Event] = []
    while len(found) < COUNT:
        customer = names[bisect(weights, rng.random() * weights[-1])]
        found += [event for event in _visit(rng, shelves, customer) if event["timestamp"] < END]
    return sorted(found, key=lambda event: (event["timestamp"], event["profile_id"], event["event_type"], event["sku"]))


def _products(rng: Random) -> list[Product]:
    return [
        Product(f"{category[:4].upper()}-{number:04d}", category, between(rng, low, high) * 100 - 1)
        for category, (low, high) in PRICES.items()
        for number in range(1, 9)
    ]


def _visit(rng: Random, shelves: list[Product], customer: str) -> list[Event]:
    """The events of one visit to a shop or to the web site."""
    store = pick(rng, STORES) if rng.random() < 0.25 else "online"
    start = START + timedelta(days=between(rng, 0, 89), hours=between(rng, 7, 21), seconds=between(rng, 0, 3599))
    return [
        {
            "profile_id": customer,
            "timestamp": moment,
            "event_type": kind,
            "category": product.category,
            "sku": product.sku,
            "quantity": abs(quantity) or None,
            "amount": quantity * product.price / 100 if quantity else None,
            "store": store,
        }
        for moment, kind, product, quantity in _steps(rng, shelves, start)
    ]


def _steps(rng: Random, shelves: list[Product], clock: datetime) -> Iterator[tuple[datetime, str, Product, int]]:
    """The steps of a visit: views, then perhaps a cart, a purchase and a return, whose quantity is negative."""
    product = pick(rng, shelves)
    for _ in range(between(rng, 1, 4)):
        product = pick(rng, shelves)
        yield clock, "view", product, 0
        clock += timedelta(seconds=between(rng, 20, 240))
    quantity = pick(rng, (1, 1, 1, 2, 3))
    if rng.random() >= 0.35:
        return
    yield clock, "add_to_cart", product, quantity
    if rng.random() >= 0.6:
        return
    clock += timedelta(seconds=between(rng, 30, 900))
    yield clock, "purchase", product, quantity
    if rng.random() < 0.1:
        yield clock + timedelta(hours=between(rng, 48, 480)), "return", product, -quantity
