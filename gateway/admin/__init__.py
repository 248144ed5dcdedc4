"""Pages of national and regional administrators and of référents, under ``admin/`` (R87–R102)."""
