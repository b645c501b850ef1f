"""Output for programs: the JSON of each command, documented in docs/json.md (SPEC 9).

In: data that `muster.runs` returned.
Out: dicts with the keys of docs/json.md.
"""
