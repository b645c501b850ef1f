"""Which exports should run, and when. Pure: an instant and the history in, decisions out; touches no file, prints nothing.

slots   when a schedule asks to run: its instants, through every clock change (S1, S3)
due     what is owed at an instant, given what was seen and what was finished (S2, S4, S5, S7, X7, X9)
decide  the three modes: the exports to carry out, as values (S2-S5, X7)
words   a schedule in plain words, and the crontab that serves a workspace
check   schedules that a file name cannot tell apart (F1)
"""
