"""How a service's process is served: gunicorn, bounded, and stopping without losing a request.

Open this folder to change how processes behave, not to change what they answer.
"""
