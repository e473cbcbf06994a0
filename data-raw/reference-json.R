# What the scripts that write tests/reference/*.json share.

# Scalars as JSON scalars, all else as arrays.
unbox <- function(x, fields) {
  fields <- intersect(fields, names(x))
  x[fields] <- lapply(x[fields], jsonlite::unbox)
  x
}

read_references <- function(path) {
  if (file.exists(path)) {
    jsonlite::fromJSON(
      path,
      simplifyMatrix = FALSE,
      simplifyDataFrame = FALSE
    )$models
  }
}

# Computes the models of `registry` that are named on the command line (all, if none is) and keeps
# the others as they are in the file.
update_references <- function(path, registry, compute, unbox_model, packages) {
  wanted <- commandArgs(trailingOnly = TRUE)
  if (length(wanted) == 0) {
    wanted <- names(registry)
  }
  kept <- Filter(
    function(m) m$name %in% names(registry) && !m$name %in% wanted,
    read_references(path)
  )
  models <- c(kept, Filter(Negate(is.null), lapply(wanted, compute)))
  models <- models[order(match(
    vapply(models, `[[`, "", "name"),
    names(registry)
  ))]
  versions <- vapply(
    packages,
    function(package) format(utils::packageVersion(package)),
    ""
  )
  made_with <- lapply(
    c(R = paste(R.version$major, R.version$minor, sep = "."), versions),
    jsonlite::unbox
  )
  jsonlite::write_json(
    list(made_with = made_with, models = lapply(models, unbox_model)),
    path,
    digits = NA,
    pretty = TRUE
  )
}
