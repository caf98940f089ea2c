"""What a loaded model answers, compiled or not."""
