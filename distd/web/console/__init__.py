"""The console: pages for operators, made by the server."""
