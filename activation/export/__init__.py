"""One export: gather what it is made of, check its guards, write its files, deliver them, record it.

In: an `Export` decision and a session.
Out: a recorded run, or the error that ended it.
"""
