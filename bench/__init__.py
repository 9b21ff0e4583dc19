"""Side-by-side benchmarks. Each is a program that prints a table; none has a time limit to pass."""
