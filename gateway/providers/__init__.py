"""Ways to prove who one is. None knows another; all speak the two moves of ``base``: begin, complete."""
