"""What both services share: settings, JSON answers, and how they are served."""
