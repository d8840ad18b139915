"""What the commands show: tables on the terminal, pages."""
