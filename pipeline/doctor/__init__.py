"""What this machine has, and what the main job would lack."""
