"""AgentCore on this machine: its control and data plane over subprocesses, for unmodified boto3 clients.

Read `server` for how it starts, `control` and `data` for the two planes, `fleet` for which versions run, `process` for
one of them.
"""
