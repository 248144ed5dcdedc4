"""What is remembered about people: the account as a value, its password, and the register that keeps it."""
