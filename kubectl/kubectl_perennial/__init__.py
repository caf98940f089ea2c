"""`kubectl perennial`: what a person asks of Perennial. It writes annotations and DriftReports, never `spec`."""
