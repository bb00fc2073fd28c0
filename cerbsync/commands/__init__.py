"""The commands, by what an administrator wants: look, decide, register, look after the fleet."""
