"""`tidegate batch`: rows of a data set through a service, each once in the output; here or as a Job."""
