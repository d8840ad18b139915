"""The use cases, a room for each noun. Each is a plain function over a catalogue connection and values."""
