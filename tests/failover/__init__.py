"""For how long clients go without the Internet when their exit fails: measured in labs, for tests and for a table."""
