"""The way to the backend: ``door`` parses, admits, stamps and carries; ``wire`` and ``headers`` are its pure parts."""
