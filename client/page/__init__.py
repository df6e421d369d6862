"""The page that a browser gets instead of JSON.

Delete this folder, and the lines of `client/app.py` that name it, where nobody looks at it.
"""
