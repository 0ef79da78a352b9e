"""Decisions over years, in closed form: pure functions of frozen inputs, apart from any run."""
