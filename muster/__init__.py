"""muster activates audiences in batch: who joined, stayed or left, a file per audience and destination."""
