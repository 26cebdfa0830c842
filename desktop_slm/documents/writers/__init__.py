"""Results out as files: Markdown, HTML, DOCX, PDF."""
