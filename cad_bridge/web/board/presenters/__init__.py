"""What the pages show, as plain values: pure functions from what is stored to what stands in a template."""
