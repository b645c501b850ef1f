"""One export: gather the inputs, compare, check the guards, write the files, deliver them, record the run.

In: an `Export` decision and a session.
Out: a recorded run, or the error that ended it.
"""
