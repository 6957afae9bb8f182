"""The workbench: a web page on which security teams try and publish rules, and the door before it."""
