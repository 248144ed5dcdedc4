"""The pages of administrators and référents (R82–R102): lists, one scope, switches, accounts, imports, journal.

Pages ask nothing of the database themselves: each act and each list belongs to an office of ``administration``, which
decides who may. What is typed is read here, and shown again whenever it cannot be taken. Nothing needs a script.

``rooms``       all of them together                       ``frame``      around every page; forms as they were typed
``dashboard``   figures and drawings                       ``charts``     drawings of figures, as SVG
``scopes``      the list, and a selection                  ``scope``      one scope on one page
``policy``      its policy and legal statuses              ``policy_form`` typed to values and back
``places``      its card, and new ones below               ``switching``  form, preview, confirmation, result
``asking``      requests of référents; break-glass         ``preparing``  readiness as a table
``accounts``    the list, and invitations                  ``person``     one account and its acts
``importing``   files of accounts and scopes               ``uploads``    how a file comes in
``journal``     the audit                                  ``insight``    conformity; explanations
``tracing``     who sent a request                         ``delegation`` one delegation, and its end
``states``, ``words``   how things are said in French      ``when``       dates typed in a region's hour
``finding``     a scope as people name it                  ``download``   tables sent as they are made
``drafts``      what is not confirmed yet
"""
