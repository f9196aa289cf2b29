"""What docs/build runs: the list of chapters, pages from Markdown, tables from abi.json, the check of the result."""
