"""The chain that every call walks, and the doors between rooms: deliveries, requests, timers, resource types."""
