"""What operators can ask for: tables that the API makes routes of, and the command line calls."""
