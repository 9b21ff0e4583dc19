"""What the tests of several folders share: a real hub, people who use it, pictures, deadlines."""
