"""The pages of administrators and référents (R82–R102): lists, one scope, switches, accounts, imports, journal.

Pages ask nothing of the database themselves: each act and each list belongs to an office of ``administration``, which
decides who may. What is typed is read here, and shown again whenever it cannot be taken.

``frame``       around every page of administration        ``words``    what fields, states and acts are called
``when``        dates typed in a region's hour              ``charts``   drawings of figures, as SVG
``rooms``       all of them together
"""
