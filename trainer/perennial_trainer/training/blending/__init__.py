"""A candidate that is a blend: what stays of the live version, what is fitted, and how both are weighed."""
