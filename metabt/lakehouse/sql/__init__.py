"""SQL: `read_only` connects and asks, `result_set` is an answer and prints it, `exports` writes it to a file."""
