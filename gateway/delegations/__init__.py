"""Acting for a doctor, provably: what a doctor hands out, what a delegate does with it, and what is remembered of it.

* A right is handed out by a médecin libéral from a strong session, and by nobody on somebody else's behalf (R106, R120).
* Every act is written down before it takes effect, told to every worker after it, and kept in the delegation's history.
* Nothing here decides whether a request may pass: that is ``policy.delegation.may_act``, asked at every request (R130).
"""
