"""What one engine step of one replica costs in time, memory and energy: work over hardware, as tables."""
