# Messages about the engine of a model, which is chosen before any cross-products are computed.

#' Prints which engine a model will be computed with
#' @noRd
print_engine <- function(spec, control) {
  cat("Engine: ", engine_phrase(core_engine(spec, control)), "\n", sep = "")
}

#' A description of an engine
#' @param engine The result of [core_engine()].
#' @noRd
engine_phrase <- function(engine) {
  if (engine$elements == 0) {
    return("exact, level by level")
  }
  size <- format_count(round(engine$elements))
  switch(
    engine$storage,
    dense = sprintf("exact, with a dense factor of %s numbers", size),
    sparse = sprintf("exact, with a sparse factor of %s numbers", size),
    pairs = sprintf("iterative, on about %s pairs of levels", size)
  )
}
