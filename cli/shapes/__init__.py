"""What a program reads: the JSON of each command.

In: data that `muster.runs` returned.
Out: dicts with the keys of docs/json.md.
"""
