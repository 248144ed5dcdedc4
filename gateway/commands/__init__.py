"""The subcommands of ``vt-gateway``. Heavy imports stay inside the functions, so that ``--help`` is quick."""
