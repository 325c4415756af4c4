"""What a network answers, and how good an answer is."""
