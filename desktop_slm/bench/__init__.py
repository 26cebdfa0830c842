"""How fast the engine and what is built on it are, against bare llama.cpp."""
