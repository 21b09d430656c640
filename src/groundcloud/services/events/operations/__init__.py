"""EventBridge's operations, a file a noun."""
