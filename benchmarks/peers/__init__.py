"""The same training by several libraries, each written as its own guide says."""
