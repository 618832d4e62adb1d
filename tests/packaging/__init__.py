"""What is handed on, built and installed as a person would: `make packaging`."""
