"""What builds files of the repository."""
