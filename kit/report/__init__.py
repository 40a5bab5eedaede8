"""The page one looks at: everything a workspace knows about a contest, in one HTML file that needs no network."""
