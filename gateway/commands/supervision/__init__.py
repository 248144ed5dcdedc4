"""The process that starts, watches and replaces workers. It imports the standard library and little else, so that it
weighs little, has little that can break, and new code can be tried in a process beside it."""
