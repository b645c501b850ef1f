"""The columns that the outbox adds to entries once sending ended: what became of each of them (V2, V10).

outcome   String: accepted, refused, uncertain (it may have been sent, and no answer settled it), unsent
reason    String: of a refused entry; else null
"""

OUTCOME, REASON = "outcome", "reason"
ACCEPTED, REFUSED, UNCERTAIN, UNSENT = "accepted", "refused", "uncertain", "unsent"
