"""What is asked, and carrying it out."""
