"""`kubectl perennial`: reads and steers models. It writes annotations and DriftReports, never `spec`."""
