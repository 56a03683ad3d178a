"""HTTP out: the outbox to remote services, and the webhooks to local systems."""
