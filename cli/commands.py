"""Every module that adds commands to the app."""

from cli import checking, keeping, listing, placing, receiving, working, writing_again  # noqa: F401  # they add theirs when they are imported
