"""What administrators do (R82–R102), whichever door they come by: pages, API, shell.

Every act is one method of one class: it asks ``policy.rights`` first, writes the audit before the effect, changes what
must change together in one transaction, and tells the workers. Who comes by which door is an ``Actor``; what cannot be
done is a ``Refused`` that pages, API and shell each say in their own way.
"""
