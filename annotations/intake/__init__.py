"""How tracks come in: CSV files, uploads in the browser, previews fetched from links."""
