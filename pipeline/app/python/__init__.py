"""The functions of `import hintlite`, one file each; hintlite/__init__.py is the door to them."""
