"""The rules. Pure: no clock, no chance, no network; values and an instant in, a value out."""
