"""Whether the model gets better, for whom, and what is to be done: facts are read, drawn as charts, shown by views."""
