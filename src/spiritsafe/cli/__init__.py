"""The command: one thin module a verb. Nothing is decided here; `cli.main` is the door."""
