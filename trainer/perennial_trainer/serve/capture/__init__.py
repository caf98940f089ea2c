"""Captures the rows of requests: chooses them, keeps them in memory, and hands them to a process that writes them."""
