# The work of tools/document.sh.

# roxygen2 looks at the objects it documents: the functions, from the sources, and the data sets.
load_package <- function(path) {
  env <- roxygen2::load_source(path)
  for (file in list.files(file.path(path, "data"), "[.]rda$", full.names = TRUE)) {
    load(file, envir = env)
  }
  env
}

suppressPackageStartupMessages(roxygen2::roxygenise(load_code = load_package))
