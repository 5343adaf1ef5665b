"""Where rollouts, ledger, leases, commands and observations are kept: one database behind `ports.Store`."""
