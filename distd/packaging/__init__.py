"""From a file to a package directory."""
