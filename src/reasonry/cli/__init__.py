"""The command line: parse, call, print. No method logic, and nothing heavy imported before a verb needs it."""
