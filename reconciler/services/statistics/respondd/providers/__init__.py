"""What is told, one small function for each value; see `reconciler.services.statistics.respondd.provider`."""
