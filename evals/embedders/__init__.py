"""How well an embedder that is set up finds the demo bank's articles, within a language and across."""
