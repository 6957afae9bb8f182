"""The rule workbench: a web page for people who tune rules (docs/workbench.md)."""
