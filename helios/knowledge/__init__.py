"""Knowledge: articles are read, cut into chunks and sentences, and encoded."""
