"""Filters: how computers are searched. One language, one syntax tree, two interpreters: `judge` here decides of one
computer in memory, `origin.computers.filter_sql` makes SQL. What a comparison means stands once, in `criteria`."""
