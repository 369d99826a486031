"""Embedders of knowledge: what makes vectors of chunks and of the questions that search them. docs/embedders.md"""
