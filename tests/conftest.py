"""Settings of the whole suite: Hypothesis without deadlines, and the same examples each time where CI runs it."""

import os

from hypothesis import settings

# A slow machine is no failure; in CI a new example must not break a change that did not cause it.
# Half of Hypothesis' usual number of examples keeps the suite under ten minutes; `make soak` tries more.
EXAMPLES = 200 if os.environ.get("MUSTER_SOAK") else 50
settings.register_profile("here", deadline=None, print_blob=True, max_examples=EXAMPLES)
settings.register_profile("ci", deadline=None, print_blob=True, max_examples=EXAMPLES, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "here")
