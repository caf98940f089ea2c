"""The rows that the model server captures: where they are, what their columns are, and how they are keyed."""
