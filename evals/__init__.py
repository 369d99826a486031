"""Quality evaluations: the product's own components, run over files of rows and scored."""
