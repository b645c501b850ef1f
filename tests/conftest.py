"""Settings of the whole suite: Hypothesis without deadlines, and the same examples each time where CI runs it."""

import os

from hypothesis import settings

# A slow machine is no failure; in CI a new example must not break a change that did not cause it.
settings.register_profile("here", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
