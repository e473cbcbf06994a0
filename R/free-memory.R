#' The memory that is left, in bytes: what Linux says, elsewhere 8 GiB
#' @noRd
free_memory <- function() {
  free <- core_free_memory()
  if (is.nan(free)) 8 * 2^30 else free
}
