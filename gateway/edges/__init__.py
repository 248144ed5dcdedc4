"""One file for each thing outside. No rule lives here, and only ``app`` and the door come here."""
