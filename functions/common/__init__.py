"""What every room may use: reason codes, failures, hardened XML reading, deadlines."""
