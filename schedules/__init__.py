"""Which activations should run, and when: functions of an instant and the history. Nothing here reads a file or prints.

In: schedules of the config, what earlier commands recorded, and the instant.
Out: runs to carry out, as values, and text about schedules.

slots         the instants at which a schedule asks to run, through every clock change (S1, S3)
due           the run that is owed at an instant, given what earlier commands saw and finished (S2-S7, V1, X7, X9)
decide        the three modes: runs to carry out (S2-S5, V1, X7)
descriptions  a schedule in plain words
crontab       the crontab that serves a workspace
check         schedules that are too fine for a file name (F1)
"""
