"""What the command line does: files in, files and numbers out."""
