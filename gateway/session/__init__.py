"""Who is signed in now: the session as a value (``model``) and the one place it changes (``keeper``)."""
