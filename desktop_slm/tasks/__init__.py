"""What the assistant can do. Pure: no Qt, no SQL, no llama.cpp, no file writing."""
