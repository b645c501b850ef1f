"""A second opinion on profiles from sources (P1 to P12), written from the contract alone: dicts and loops.

Nothing here knows how the tool works. What sources hold at an instant becomes records, records a graph, the graph a
view, and a view is a snapshot of ``support.model``, which says who is in an audience and what files hold. Where the
contract leaves a choice open, the choice is named below:

- An event without a primary identity links its others, as events make no fragment (P3), and comes to a profile by them
  (P9: "primary or not").
- Links are ordered "by text" as their two ends are: the end with the smaller (namespace, id) first.
- "Oldest" of identities (P6, P7) is the age of the oldest record or event that holds them now.
- A part of a split has a fragment (only such graphs have ids); an id whose identities are in no such graph is gone.
- Without a graph a record with too many identities brings its primary one alone: it links nothing (P2, P7).
- Aliases are kept as a chain; one that is given again is no alias any more, and what led to it ends there.
- A merged person of whom no merged id was realized left at the survivor's time, else at the newest (P11).
- A person named by several ids of a feed, none of them realized, left at the newest of their times (P12).
- A split is told to a delivered set if the id that was split is in it, as it was delivered.
- The exits of a merged or split person carry what X12 says of somebody gone: values last sent in columns that keep
  them, null elsewhere, the instant of the export as time.
"""
