"""What a network and its training take, before anything is trained."""
