"""The `headgate` command: one module per family of commands, loaded when it is used."""
