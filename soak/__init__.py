"""``make soak``: mixed load on a gateway of its own process; memory and descriptors must stay flat."""
