"""One HTML file about one or several searches, which needs no network and no server."""
